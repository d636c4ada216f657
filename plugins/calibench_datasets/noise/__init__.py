"""Models of wrong training labels, one a file, called as the user calls them."""
