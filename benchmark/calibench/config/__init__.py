"""From the words that a user types to a frozen, checked `RunConfig`: the grammar of names, presets, suites."""
