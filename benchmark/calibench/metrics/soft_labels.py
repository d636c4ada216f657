"""Soft labels: the share of people who gave each label to a sample, if the data have them (CIFAR-10H)."""

from __future__ import annotations

from calibench.errors import InputError
from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged


def soft_labels_of(judged: Judged) -> Floats:
    """The soft labels `[N, K]`. Raises InputError if the data have none."""
    if judged.soft is None:
        raise InputError("there are no soft labels to judge by", "use data that have them, such as cifar10h")
    return judged.soft
