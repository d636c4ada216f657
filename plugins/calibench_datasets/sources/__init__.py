"""Sources of labelled data, one a file, called as the user calls them."""
