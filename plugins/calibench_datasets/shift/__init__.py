"""Shifts of the test split, one a file, and the corruptions that they share."""
