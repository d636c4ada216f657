"""`spline`: spline-based recalibration of the top label (Gupta et al., ICLR 2021)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Param
from calibench.lazy import np
from calibench.stages import Ops
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats, Ints
from calibench_methods.calibrators.parameters import KEEPS_ORDER, least_value

MAX_POINTS = 1001
"""Largest number of stored points of the map; between them it is linear."""

GUPTA = "K. Gupta et al., Calibration of Neural Networks using Splines, ICLR 2021 (arXiv 2006.12800)"

KNOTS = Param("knots", "int", 6, "knots of the natural cubic spline (the paper: 6)", "knots", minimum=3, maximum=100)

SPLINE_EQUATION = (
    "q = p + h'(t(p)), h = argmin over natural cubic splines of sum_i (h((i-1)/(n-1)) - D_i)^2, "
    "D_i = (hits - sum of p, among the i lowest) / n, t the fractile of p"
)

SPLINE_DEVIATIONS = (
    "q is clipped to [1 / (n + 2), 1 - 1 / (n + 2)]; the authors' code clips it to [0, 1]",
    "samples of equal p share their mean hit rate, so their order does not matter",
    f"the map is stored at {MAX_POINTS:,} fractiles at most, with lines between them",
)

SPEC = MethodSpec(
    name="spline",
    kind="calibrator",
    target=f"{__name__}:Spline",
    summary="Spline recalibration: adds a smooth correction by rank to the top class's probability; accuracy cannot change.",
    params=(KNOTS,),
    equation=f"{SPLINE_EQUATION}; p is the top class's probability",
    paper=GUPTA,
    deviations=(f"only the top class is mapped; {KEEPS_ORDER}", *SPLINE_DEVIATIONS),
    use_when="the confidence is off by a smooth amount that no temperature mends, and cal has some thousand rows",
    avoid_when="the network is far over-confident, so that most scores crowd near 1: `temperature` first is better",
    cost="a least-squares fit with `knots` unknowns: milliseconds",
)


class Spline(BinaryMap):
    """The score plus the slope of a natural cubic spline through the cumulated difference of hits and scores.

    The spline h is fitted by least squares to `D_i = sum over the i lowest scores of (hit - score) / n` at the fractiles
    `(i - 1) / (n - 1)`. Its slope at the fractile t of a score s is the mean of hit - score there, so `P(hit | s) = s + h'(t)`.
    """

    def __init__(self, knots: int, of: str = "top") -> None:
        super().__init__(of)
        self.knots = knots

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`score` and `value`: points of the map, linear between them and constant beyond them."""
        from scipy.interpolate import CubicSpline

        order = np.argsort(column.p, kind="stable")
        scores, rows = column.p[order], len(hit)
        tie_means, group = _means_by_score(scores, hit[order])  # so that the order of ties does not matter
        t = np.linspace(0, 1, rows)
        basis = CubicSpline(np.linspace(0, 1, self.knots), np.eye(self.knots), bc_type="natural")
        coefficients = np.linalg.lstsq(basis(t), np.cumsum(tie_means[group] - scores) / rows, rcond=None)[0]
        points = np.unique(np.linspace(0, rows - 1, min(MAX_POINTS, rows)).round().astype(int))
        floor = least_value(None, rows)
        mapped = np.clip(scores[points] + basis(t[points], 1) @ coefficients, floor, 1 - floor)
        value, _ = _means_by_score(scores[points], mapped)
        return {"score": np.unique(scores[points]).tolist(), "value": value.tolist()}

    def curve(self, ops: Ops, column: Column, fitted: dict[str, Any]) -> Any:
        """The map, interpolated between points."""
        return ops.interpolate(column.p, ops.constant(fitted["score"]), ops.constant(fitted["value"]))


def _means_by_score(scores: Floats, values: Floats) -> tuple[Floats, Ints]:
    """The mean of the values at each distinct score, ascending, and the index of each row's score among them."""
    _, group = np.unique(scores, return_inverse=True)
    means: Floats = np.bincount(group, values) / np.bincount(group)
    return means, group
