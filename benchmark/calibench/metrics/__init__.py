"""Figures of merit of a classifier's confidence: each definition once, its bootstrap interval and its noise floor.

`judged.py` is what a metric may look at, `metric.py` the class that a plugin author subclasses, one file holds each
definition, `bootstrap.py` and `noise_floor.py` say how sure a figure is, and `judge.py` puts all of it together.
Nothing is imported here, so that `plugin.py` can list the metrics without loading numpy or torch.
"""
