"""The kinds of faults that `tests/simulations/faults.py` injects."""
