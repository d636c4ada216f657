"""Sources of labelled data, each in a file of the name that the user types."""
