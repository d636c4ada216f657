"""Models of wrong training labels, one a file."""
