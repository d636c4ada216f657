"""Shifts of the test rows, one a file called as the user calls it; `corrupt_*` hold the corruptions of images."""
