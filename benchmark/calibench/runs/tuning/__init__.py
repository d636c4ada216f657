"""The search over parameters on the val split, before a run."""
