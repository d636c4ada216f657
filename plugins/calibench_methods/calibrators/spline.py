"""`spline`: spline-based recalibration of the top label (Gupta et al., ICLR 2021)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Param
from calibench.lazy import np
from calibench_methods.calibrators.isotonic import least
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats

POINTS = 1001
"""At most so many points of the map are kept; between them it is linear."""


SPEC = MethodSpec(
    name="spline",
    kind="calibrator",
    target=f"{__name__}:Spline",
    summary="Spline recalibration: the slope of the cumulated accuracy of the top class; accuracy cannot change.",
    params=(Param("knots", "int", 6, "knots of the natural cubic spline", "knots", minimum=3, maximum=100),),
    equation=(
        "q_top = h'(t(p_top)), h = argmin over natural cubic splines of sum_i (h(i/N) - hits among the i lowest / N)^2, "
        "t the fractile of p_top"
    ),
    paper="K. Gupta et al., Calibration of Neural Networks using Splines, ICLR 2021 (arXiv 2006.12800)",
    deviations=(
        "the top class alone; the others share what it leaves in proportion, and it is held above the second",
        "the slope is kept within [1 / (n + 2), 1 - 1 / (n + 2)], and stored at 1 001 fractiles at most, linear between",
    ),
)


class Spline(BinaryMap):
    """The slope of a natural cubic spline through the cumulated share of hits, samples sorted by score.

    h(i / N) = (hits among the i lowest scores) / N is fitted by least squares; `P(hit | s) = h'(t)` at the fractile t of s.
    """

    def __init__(self, knots: int) -> None:
        super().__init__("top")
        self.knots = knots

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`score` and `value`: points of the map, linear between them and constant beyond."""
        order = np.argsort(column.p, kind="stable")
        scores, rows = column.p[order], len(hit)
        t = np.arange(rows + 1) / rows
        h = np.concatenate([[0.0], np.cumsum(_tied(scores, hit[order]))]) / rows
        from scipy.interpolate import CubicSpline

        basis = CubicSpline(np.linspace(0, 1, self.knots), np.eye(self.knots), bc_type="natural")
        coefficients = np.linalg.lstsq(basis(t), h, rcond=None)[0]
        kept = np.unique(np.linspace(0, rows - 1, min(POINTS, rows)).round().astype(int))
        floor = least(None, rows)
        value = np.clip(basis((kept + 0.5) / rows, 1) @ coefficients, floor, 1 - floor)
        unique, group = np.unique(scores[kept], return_inverse=True)  # equal scores get their mean
        return {"score": unique.tolist(), "value": (np.bincount(group, value) / np.bincount(group)).tolist()}

    def apply_one(self, column: Column, fitted: dict[str, Any]) -> Floats:
        """Linear between points."""
        return np.asarray(np.interp(column.p, fitted["score"], fitted["value"]))


def _tied(scores: Floats, hit: Floats) -> Floats:
    """The hits with each run of equal scores replaced by its mean, so that the order of ties does not matter."""
    _, group = np.unique(scores, return_inverse=True)
    mean: Floats = (np.bincount(group, hit) / np.bincount(group))[group]
    return mean
