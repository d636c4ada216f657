"""Metrics of a classifier's confidence, one a file, with bootstrap intervals and noise floors.

`metric.py` holds the base class that a plugin author subclasses, and `judged.py` all that a metric may look at. A file that
holds a metric has the name that users type; its `SPEC` stands above the class, and `plugin.py` registers it. All other files
hold code that metrics share. `bootstrap.py` and `noise_floor.py` tell how certain a figure is; `calibench.evaluation.judge` runs
them all.

Nothing is imported here, so that listing metrics loads neither numpy nor torch.
"""
