"""Soft labels in place of labels: shares, or counts, of the people who gave each label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from calibench.lazy import np
from calibench.outputs.outputs import SUM_TOLERANCE
from calibench.outputs.roles.usual_names import SHARES

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAJORITY = "labels are {what} of people: the most frequent is taken as the label, the lowest class among equals"


def shares_of(labels: NDArray[Any]) -> tuple[NDArray[np.float64], str] | None:
    """Shares `[N, K]` that sum to 1, with a sentence about them, of shares or counts; None for labels of another kind."""
    if labels.ndim != 2 or labels.dtype.kind not in "iuf" or not labels.size or labels.shape[1] < 2:
        return None
    values = labels.astype(np.float64)
    if not np.isfinite(values).all() or values.min() < 0:
        return None
    sums = values.sum(axis=1)
    if np.abs(sums - 1).max() <= SUM_TOLERANCE and (values != np.floor(values)).any():
        return values, MAJORITY.format(what="shares")
    if (values == np.floor(values)).all() and values.max() > 1 and sums.min() > 0:
        return values / sums[:, None], MAJORITY.format(what="counts")
    return None


def share_name(arrays: Mapping[str, NDArray[Any]], rows: int) -> str | None:
    """The name of an array `[rows, K]` of shares, for a file without labels."""
    return next(
        (name for name in SHARES if name in arrays and arrays[name].ndim == 2 and len(arrays[name]) == rows), None
    )
