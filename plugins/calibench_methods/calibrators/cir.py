"""`cir`: centred isotonic regression (Oron and Flournoy, Statistics in Biopharmaceutical Research 2017)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec
from calibench.lazy import np
from calibench.stages import Ops
from calibench_methods.calibrators.isotonic import non_decreasing_means
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats
from calibench_methods.calibrators.parameters import FLOOR, OF_DEVIATIONS, least_value, of_param

SPEC = MethodSpec(
    name="cir",
    kind="calibrator",
    target=f"{__name__}:CIR",
    summary="Centred isotonic regression: isotonic regression with each flat step drawn together into its centre.",
    params=(FLOOR, of_param("classes")),
    equation=(
        "q = max(m(p), floor), m linear between the points (mean p of a step, value of the step) of the isotonic fit; steps of "
        "0 and of 1 keep both ends, and m is constant outside the outer steps' centres"
    ),
    paper=(
        "A. Oron, N. Flournoy, Centered Isotonic Regression: Point and Interval Estimation for Dose-Response Studies, "
        "Statistics in Biopharmaceutical Research 9(3), 2017"
    ),
    deviations=("values below floor are raised to it, because a 0 for a label costs an infinite NLL", *OF_DEVIATIONS),
    use_when="you would use `isotonic`: the ranks within a class survive, and Brier and NLL are mostly lower",
    avoid_when="cal has fewer than some hundred hits a class: it overfits as `isotonic` does",
    cost="one isotonic fit a class: milliseconds",
)


class CIR(BinaryMap):
    """The isotonic fit of `p_k` with each step replaced by its centre, linear between centres, at least `floor`."""

    def __init__(self, floor: float | None, of: str) -> None:
        super().__init__(of)
        self.floor = floor

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`p` and `value`: the points of the function; its `floor`."""
        p, mean, count = non_decreasing_means(column.p, hit)
        first = np.flatnonzero(np.concatenate([[True], np.diff(mean) > 0]))  # of each step
        last = np.append(first[1:] - 1, len(p) - 1)
        centre = np.clip(np.add.reduceat(p * count, first) / np.add.reduceat(count, first), p[first], p[last])
        step = mean[first]
        flat = (step == 0) | (step == 1)
        left, right = np.where(flat, p[first], centre), np.where(flat, p[last], centre)
        left[0], right[-1] = p[0], p[-1]
        # A step is a point, or a level piece from `left` to its centre or `right`; doubled points do no harm.
        points = np.stack([left, np.where(flat, left, centre), right], axis=1).ravel()
        kept = np.concatenate([[True], np.diff(points) > 0])
        floor = least_value(self.floor, len(hit))
        return {"p": points[kept].tolist(), "value": np.repeat(step, 3)[kept].tolist(), "floor": floor}

    def curve(self, ops: Ops, column: Column, fitted: dict[str, Any]) -> Any:
        """The interpolated function, at least the floor."""
        points, values = ops.constant(fitted["p"]), ops.constant(fitted["value"])
        return ops.greatest(ops.interpolate(column.p, points, values), fitted["floor"])
