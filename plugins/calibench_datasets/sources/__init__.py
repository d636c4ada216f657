"""Sources of labelled data, one a file, and the readers that they share."""
