"""Sweeps: all runs of a suite, of which those that are missing are made; `state.py` remembers which are there."""
