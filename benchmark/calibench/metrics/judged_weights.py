"""Weighted means, totals and draws of judged samples, of which figures are made; `sample_weight.py` defines the scale."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints
from calibench.metrics.judged import Judged
from calibench.metrics.sample_weight import nonzero


def once(judged: Judged) -> Floats:
    """The weights of the samples as one row, `[1, N]`; ones if they have none. The figure of it is that of the samples."""
    return np.ones((1, judged.n)) if judged.sample_weight is None else judged.sample_weight[None]


def total_of(judged: Judged) -> float:
    """The sum of the weights; N if there are none, and if all are above 0."""
    return float(judged.n) if judged.sample_weight is None else float(judged.sample_weight.sum())


def times_weight(judged: Judged, values: Floats | Ints) -> Floats:
    """`values [..., N]` times the weight of each sample; themselves without weights."""
    if judged.sample_weight is None:
        return np.asarray(values, dtype=np.float64)
    product: Floats = values * judged.sample_weight
    return product


def mean_of(judged: Judged, values: Floats | Bools) -> float:
    """The weighted mean of `values [N]`; NaN if all weights are 0."""
    if judged.sample_weight is None:
        return float(values.mean())
    total = total_of(judged)
    return float((judged.sample_weight * values).sum() / total) if total > 0 else float("nan")


def draws_of(judged: Judged, weights: Floats) -> Floats:
    """How often each resample contains each sample, `[B, N]`, for `weights [B, N]` that are this number times the weight.

    A sample of weight 0 counts 0 times.
    """
    if judged.sample_weight is None:
        return weights
    own = judged.sample_weight
    counts: Floats = np.rint(weights / np.where(own > 0, own, 1))
    return counts


def rescaled(judged: Judged, weights: Floats) -> Floats:
    """The rows of `weights [B, N]`, counts times weights, with weight 1 on average in each: some figures depend on the scale."""
    if judged.sample_weight is None:
        return weights
    factor = draws_of(judged, weights).sum(axis=1) / nonzero(weights.sum(axis=1))
    scaled_rows: Floats = weights * factor[:, None]
    return scaled_rows
