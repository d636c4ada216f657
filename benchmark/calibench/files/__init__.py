"""Files of strangers: only regular files are opened, and none is read that needs more memory than it may take."""
