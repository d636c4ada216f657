"""Training objectives: what stage 1 minimises, one a file."""
