"""`histogram`: histogram binning (Zadrozny and Elkan, ICML 2001)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Param
from calibench.lazy import np
from calibench.metrics.binning import bin_edges
from calibench_methods.calibrators.multiclass import Column, Floats
from calibench_methods.calibrators.parameters import FLOOR, OF_DEVIATIONS, TOP_DEVIATION, least_value, of_param
from calibench_methods.calibrators.steps import StepMap, bin_centres, bin_counts, mass_edges

SPEC = MethodSpec(
    name="histogram",
    kind="calibrator",
    target=f"{__name__}:Histogram",
    summary="Histogram binning: maps a probability to the share of hits in its bin.",
    params=(
        Param("bins", "int", 15, "number of bins of a map (the paper: 10)", "bins", minimum=1, maximum=10_000),
        Param("binning", "str", "width", "bins of equal width or of equal count", choices=("width", "mass")),
        FLOOR,
        of_param("top"),
    ),
    equation="q = max(hits in the bin of p / samples in it, floor), bins (lo, hi], the first closed at 0",
    use_when="the map must be readable: a table of 15 confidences with the share of right answers in each",
    avoid_when=(
        "confidences rank rows: a bin has one value; of=classes with many classes costs accuracy (WRN-16-4: 76.0 to "
        "73.5 %)"
    ),
    cost="one count of cal",
    paper=(
        "B. Zadrozny, C. Elkan, Obtaining calibrated probability estimates from decision trees and naive Bayesian "
        "classifiers, ICML 2001"
    ),
    deviations=(
        TOP_DEVIATION,
        "bins have equal width, as in Guo et al. 2017; binning=mass is the paper's",
        "an empty bin maps to its centre; equal values of p share a bin, so there can be fewer bins of equal count",
        *OF_DEVIATIONS,
    ),
)


class Histogram(StepMap):
    """The share of hits among the samples whose `p_k` lies in the same bin, at least `floor`.

    Bins are `(lo, hi]`, the first closed at 0. An empty bin (of equal width) maps to its centre.
    """

    def __init__(self, bins: int, binning: str, floor: float | None, of: str) -> None:
        super().__init__(of)
        self.bins = bins
        self.binning = binning
        self.floor = floor

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """The inner `edges`, and `value`, one per bin."""
        edges = bin_edges(self.bins)[1:-1] if self.binning == "width" else mass_edges(column.p, self.bins)
        count, hits = bin_counts(column.p, hit, edges)
        share = np.where(count > 0, hits / np.maximum(count, 1), bin_centres(edges))
        return {"edges": edges.tolist(), "value": np.maximum(share, least_value(self.floor, len(hit))).tolist()}
