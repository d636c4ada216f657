"""`histogram`: histogram binning (Zadrozny and Elkan, ICML 2001)."""

from __future__ import annotations

from typing import Any

import numpy as np

from calibench.metrics.binning import bin_edges
from calibench_methods.calibrators.isotonic import least
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats


class Histogram(BinaryMap):
    """The share of hits among the samples whose `p_k` falls into the same bin, at least `floor`.

    Bins are `(lo, hi]`, the first closed at 0. An empty bin (equal width) keeps its centre.
    """

    def __init__(self, bins: int, binning: str, floor: float | None, of: str) -> None:
        super().__init__(of)
        self.bins = bins
        self.binning = binning
        self.floor = floor

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`edges`, the inner ones, and `value`, one a bin."""
        inner = bin_edges(self.bins)[1:-1] if self.binning == "width" else mass_edges(column.p, self.bins)
        index = np.searchsorted(inner, column.p, side="left")
        count = np.bincount(index, minlength=len(inner) + 1)
        hits = np.bincount(index, weights=hit, minlength=len(inner) + 1)
        ends = np.concatenate([[0.0], inner, [1.0]])
        share = np.where(count > 0, hits / np.maximum(count, 1), (ends[1:] + ends[:-1]) / 2)
        return {"edges": inner.tolist(), "value": np.maximum(share, least(self.floor, len(hit))).tolist()}

    def apply_one(self, column: Column, fitted: dict[str, Any]) -> Floats:
        """The value of the bin."""
        return np.asarray(fitted["value"])[np.searchsorted(fitted["edges"], column.p, side="left")]


def mass_edges(p: Floats, bins: int) -> Floats:
    """The inner edges of at most `bins` bins of near-equal count: halfway between neighbours, equal values never parted."""
    ordered = np.sort(p)
    cuts = np.arange(1, bins) * len(p) // bins
    cuts = cuts[cuts > 0]
    low, high = ordered[cuts - 1], ordered[cuts]
    middle: Floats = np.unique((low + (high - low) / 2)[low < high])
    return middle
