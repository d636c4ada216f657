"""Sample weights: how they are checked and scaled.

Weights count relative to their mean. They are scaled so that the samples of a weight above 0 have weight 1 on average. So figures
do not depend on the unit of the weights, equal weights are no weights at all, and a sample of weight 0 is as good as absent.
"""

from __future__ import annotations

from typing import Any

from calibench.errors import InputError
from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints, read_only


def checked_weights(weights: Any, n: int, name: str = "sample_weight") -> Floats:
    """`weights [N]` in float64; InputError, naming the first bad row, unless they are finite, at least 0 and not all 0.

    `name` is the user's word for them.
    """
    try:
        array: Floats = np.array(weights, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: {_first_word(weights) or error}", "give one number per sample") from None
    if array.shape != (n,):
        raise InputError(f"{name} has shape {list(array.shape)} beside {n} samples", "give one number per sample")
    bad = np.flatnonzero(~(np.isfinite(array) & (array >= 0)))
    if len(bad):
        message = f"{name}: row {bad[0]}: {array[bad[0]]:g} is not a finite number of at least 0"
        raise InputError(message, "leave such samples out, or give them weight 0")
    if not array.any():
        raise InputError(f"{name}: all weights are 0", "give some sample a weight above 0")
    return array


def _first_word(weights: Any) -> str:
    """The first row that is no number, in words; empty if every row is one."""
    for row, value in enumerate(np.asarray(weights, dtype=object).reshape(-1).tolist()):
        try:
            float(value)
        except (TypeError, ValueError):
            return f"row {row}: {value!r} is no number"
    return ""


def scaled(weights: Floats | None) -> Floats | None:
    """`weights [N]` with mean 1 over the samples whose weight is above 0; None if all weights are equal, and zeros if all are 0."""
    if weights is None or not weights.any():
        return weights
    if weights.min() == weights.max():
        return None
    relative = weights / weights.max()
    return read_only(relative / relative[relative > 0].mean())


def effective_samples(weights: Floats) -> float:
    """`(sum w)^2 / sum w^2`: so many samples of equal weight have a mean of the same variance (Kish 1965)."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares > 0 else 0.0


def nonzero(total: Floats | Ints) -> Floats:
    """The totals, with 1 in place of 0, to divide by."""
    return np.where(total > 0, total, 1)
