"""Training objectives: the losses that stage 1 minimises, one per file."""
