"""From a configuration to a stored record: run ids, the search for a stored record, the run itself, launchers."""
