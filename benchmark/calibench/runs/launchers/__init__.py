"""Launchers of sweeps, one a file: each makes many runs, and says of every one how it ended."""
