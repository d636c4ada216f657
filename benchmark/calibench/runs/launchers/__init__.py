"""Launchers make many runs. `one_by_one.py` serves `run` and `calibench.run`; the others are launchers of sweeps, one a file."""
