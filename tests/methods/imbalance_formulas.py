"""The losses for class imbalance in float64 with numpy: weights of classes, and logits adjusted by their shares."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from objective_cases import Array, Formula, N, log_softmax, one_hot


def counts(k: int) -> Array:
    """The training rows of each class that `build` prepares an objective for."""
    return np.bincount(np.arange(N) % k).astype(float)


def balanced(smoothing: float) -> Formula:
    """Cross-entropy with label smoothing and the weights N / (K n_k), as a weighted mean of the rows."""

    def f(z: Array, y: Array, _: Array) -> float:
        k = z.shape[1]
        w = N / (k * counts(k))
        targets = (1 - smoothing) * one_hot(y, k) + smoothing / k
        return float(-(w * targets * log_softmax(z)).sum() / w[y].sum())

    return f


def balanced_mean_of_p(f: Callable[[Array], Array]) -> Formula:
    """The mean of `w_y f(p_y)` with the weights N / (K n_k), whose mean over the training rows is 1."""

    def mean(z: Array, y: Array, _: Array) -> float:
        p = np.exp(log_softmax(z))[np.arange(len(y)), y]
        return float((N / (z.shape[1] * counts(z.shape[1])[y]) * f(p)).mean())

    return mean


def adjusted(tau: float) -> Formula:
    """The NLL of a softmax whose classes have the factors (n_k / N)^tau."""

    def f(z: Array, y: Array, _: Array) -> float:
        e = np.exp(z) * (counts(z.shape[1]) / N) ** tau
        return float(-np.log(e[np.arange(len(y)), y] / e.sum(axis=1)).mean())

    return f


IMBALANCE: dict[str, Formula] = {
    "ce:weight=balanced": balanced(0),
    "ce:weight=balanced,divide_by=train": balanced_mean_of_p(lambda p: -np.log(p)),
    "logit-adjustment": adjusted(1),
    "logit-adjustment:tau=0.5": adjusted(0.5),
    "balanced-softmax": adjusted(1),
    "label-smoothing:weight=balanced": balanced(0.1),
    "focal:alpha=balanced": balanced_mean_of_p(lambda p: -((1 - p) ** 3) * np.log(p)),
}
