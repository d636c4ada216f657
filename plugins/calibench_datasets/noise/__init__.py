"""Models of wrong training labels, each in a file of the name that the user types."""
