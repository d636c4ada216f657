"""The signed calibration gap of each bin of confidence, from the stored predictions of a row's seeds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.lazy import np
from calibench.records.record import ResultRecord
from calibench.records.store import read_predictions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

BINS = 10
"""Bins of equal width between 0 and 1."""

FEWEST = 10
"""A bin of fewer samples, of all seeds together, shows no gap."""

ARRAYS = ("test.probs", "test.logits", "test.labels")


def reliability_gaps(records: Iterable[ResultRecord], results: Path) -> tuple[float | None, ...]:
    """Accuracy less mean confidence in each of `BINS` bins, over the samples of all seeds; None where they are few.

    Empty if the predictions of a record cannot be read, or where samples have several labels.
    """
    sums = np.zeros((3, BINS))
    for record in records:
        try:
            arrays = read_predictions(results, record, ARRAYS)
        except InputError:
            return ()
        if record.data.get("questions", 1) != 1 or "test.labels" not in arrays or len(arrays) < 2:
            return ()
        sums += _sums(arrays)
    count, confidence, right = sums
    if not count.any():
        return ()
    gaps = (right - confidence) / np.maximum(count, 1)
    return tuple(float(gap) if n >= FEWEST else None for gap, n in zip(gaps, count, strict=True))


def _sums(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Number of samples, sum of confidences, number of right answers in each bin, `[3, BINS]`."""
    if "test.probs" in arrays:
        probs = arrays["test.probs"].astype(np.float64)
    else:
        logits = arrays["test.logits"].astype(np.float64)
        probs = np.exp(logits - logits.max(axis=1, keepdims=True))
        probs /= probs.sum(axis=1, keepdims=True)
    confidence = probs.max(axis=1)
    right = probs.argmax(axis=1) == arrays["test.labels"].reshape(-1)
    place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    return np.array([np.bincount(place, weights, BINS) for weights in (np.ones(len(place)), confidence, right)])
