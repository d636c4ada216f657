"""Decision rules: they turn outputs into a class, a set of classes, or an abstention; one per file."""
