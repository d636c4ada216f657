"""What stages have made, kept on disk under a key that holds all that decided it."""
