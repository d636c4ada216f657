"""From a configuration to a stored record: who the run is, whether it is there already, and what runs it."""
