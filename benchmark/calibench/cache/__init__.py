"""Results of stages on disk, each under a key that holds everything that decides it."""
