"""`spline`: spline-based recalibration of the top label (Gupta et al., ICLR 2021)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Param
from calibench.lazy import np
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats, Ints
from calibench_methods.calibrators.parameters import KEEPS_ORDER, least_value

MAX_POINTS = 1001
"""Largest number of stored points of the map; between them it is linear."""

SPEC = MethodSpec(
    name="spline",
    kind="calibrator",
    target=f"{__name__}:Spline",
    summary="Spline recalibration: the slope of the top class's cumulative accuracy; accuracy cannot change.",
    params=(Param("knots", "int", 6, "knots of the natural cubic spline", "knots", minimum=3, maximum=100),),
    equation=(
        "q_top = h'(t(p_top)), h = argmin over natural cubic splines of sum_i (h(i/N) - hits among the i lowest / N)^2, "
        "t the fractile of p_top"
    ),
    use_when="only the confidence of the answer matters, its error is smooth, and answers must stay",
    avoid_when=(
        "the other classes matter too: they keep their proportions (DenseNet: such maps end at NLL 1.00, temperature "
        "at 0.87)"
    ),
    cost="a least-squares fit of a few knots",
    paper="K. Gupta et al., Calibration of Neural Networks using Splines, ICLR 2021 (arXiv 2006.12800)",
    deviations=(
        f"only the top class is mapped; {KEEPS_ORDER}",
        "the slope is clipped to [1 / (n + 2), 1 - 1 / (n + 2)] and stored at 1 001 fractiles at most, with lines between them",
    ),
)


class Spline(BinaryMap):
    """The slope of a natural cubic spline through the cumulative share of hits, samples sorted by score.

    The spline h is fitted by least squares to h(i / N) = (hits among the i lowest scores) / N. Then `P(hit | s) = h'(t)` at
    the fractile t of s.
    """

    def __init__(self, knots: int) -> None:
        super().__init__("top")
        self.knots = knots

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`score` and `value`: points of the map, linear between them and constant beyond them."""
        from scipy.interpolate import CubicSpline

        order = np.argsort(column.p, kind="stable")
        scores, rows = column.p[order], len(hit)
        t = np.arange(rows + 1) / rows
        tie_means, group = _means_by_score(scores, hit[order])  # so that the order of ties does not matter
        h = np.concatenate([[0.0], np.cumsum(tie_means[group])]) / rows
        basis = CubicSpline(np.linspace(0, 1, self.knots), np.eye(self.knots), bc_type="natural")
        coefficients = np.linalg.lstsq(basis(t), h, rcond=None)[0]
        points = np.unique(np.linspace(0, rows - 1, min(MAX_POINTS, rows)).round().astype(int))
        floor = least_value(None, rows)
        slopes = np.clip(basis((points + 0.5) / rows, 1) @ coefficients, floor, 1 - floor)
        value, _ = _means_by_score(scores[points], slopes)
        return {"score": np.unique(scores[points]).tolist(), "value": value.tolist()}

    def apply_one(self, column: Column, fitted: dict[str, Any]) -> Floats:
        """The map, interpolated between points."""
        return np.asarray(np.interp(column.p, fitted["score"], fitted["value"]))


def _means_by_score(scores: Floats, values: Floats) -> tuple[Floats, Ints]:
    """The mean of the values at each distinct score, ascending, and the index of each row's score among them."""
    _, group = np.unique(scores, return_inverse=True)
    means: Floats = np.bincount(group, values) / np.bincount(group)
    return means, group
