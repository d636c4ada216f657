"""Shifts of the test rows, each in a file of the name that the user types; `corrupt_*` hold the corruptions of images."""
