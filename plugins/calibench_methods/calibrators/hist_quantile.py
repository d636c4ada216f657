"""`hist-quantile`: histogram binning with edges at quantiles, one class against the rest, as CalArena runs it."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Param
from calibench.lazy import np
from calibench_methods.calibrators.multiclass import Column, Floats
from calibench_methods.calibrators.parameters import FLOOR, OF_DEVIATIONS, least_value
from calibench_methods.calibrators.steps import StepMap, bin_counts

SPEC = MethodSpec(
    name="hist-quantile",
    kind="calibrator",
    target=f"{__name__}:HistQuantile",
    summary="Histogram binning at quantiles of each class's probability, one against the rest; CalArena's Hist-quantile.",
    params=(
        Param("bins", "int", 10, "number of bins of a map (CalArena: 10)", "bins", minimum=1, maximum=10_000),
        FLOOR,
    ),
    equation="q = max(hits in the bin of p / samples in it, floor), bins [lo, hi) between the quantiles 1/B .. (B-1)/B of p",
    paper=(
        "B. Zadrozny, C. Elkan, Obtaining calibrated probability estimates from decision trees and naive Bayesian "
        "classifiers, ICML 2001; CalArena, arXiv 2605.30188"
    ),
    deviations=(
        "`histogram:binning=mass` is the same method by this library's conventions: bins (lo, hi] with edges halfway between "
        "samples, and the top class alone by default",
        "values below floor are raised to it; floor=0 is CalArena's",
        OF_DEVIATIONS[0],
    ),
    use_when="you repeat CalArena's table",
    avoid_when="you want good probabilities: it is last of 18 methods on CalArena's multiclass tasks by Brier",
    cost="a sort for each class: milliseconds",
)


class HistQuantile(StepMap):
    """The share of hits among the samples whose `p_k` lies between the same two quantiles, at least `floor`."""

    def __init__(self, bins: int, floor: float | None) -> None:
        super().__init__("classes")
        self.bins = bins
        self.floor = floor

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """The inner `edges`, just below the quantiles because a step holds for `(lo, hi]`, and `value`, one per bin."""
        edges = np.unique(np.quantile(column.p, np.linspace(0, 1, self.bins + 1)))[1:-1]
        edges = np.nextafter(edges, -1)
        count, hits = bin_counts(column.p, hit, edges)
        share = np.where(count > 0, hits / np.maximum(count, 1), hit.mean())
        return {"edges": edges.tolist(), "value": np.maximum(share, least_value(self.floor, len(hit))).tolist()}
