"""From a configuration to a stored record: its id, whether it is stored already, and what runs it."""
