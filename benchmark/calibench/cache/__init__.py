"""Results of stages on disk, each under a key of everything that decides it."""
