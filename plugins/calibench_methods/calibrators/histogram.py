"""`histogram`: histogram binning (Zadrozny and Elkan, ICML 2001)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Param
from calibench.lazy import np
from calibench.metrics.binning import bin_edges
from calibench_methods.calibrators.isotonic import least
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats
from calibench_methods.calibrators.parameters import FLOOR, ROWS, TOP, of

SPEC = MethodSpec(
    name="histogram",
    kind="calibrator",
    target=f"{__name__}:Histogram",
    summary="Histogram binning: the share of hits in the bin that a probability falls into.",
    params=(
        Param("bins", "int", 15, "bins of a map (the paper: 10)", "bins", minimum=1, maximum=10_000),
        Param("binning", "str", "width", "bins of equal width or of equal count", choices=("width", "mass")),
        FLOOR,
        of("top"),
    ),
    equation="q = max(hits in the bin of p / samples in it, floor), bins (lo, hi], the first closed at 0",
    paper=(
        "B. Zadrozny, C. Elkan, Obtaining calibrated probability estimates from decision trees and naive Bayesian "
        "classifiers, ICML 2001"
    ),
    deviations=(
        TOP,
        "bins of equal width, as Guo et al. 2017; binning=mass is the paper's",
        "an empty bin says its centre; equal values of p never part, so bins of equal count can be fewer",
        *ROWS,
    ),
)


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
