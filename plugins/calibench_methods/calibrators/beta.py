"""`beta`: beta calibration (Kull, Silva Filho and Flach, AISTATS 2017)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Param
from calibench.lazy import np
from calibench.stages import Ops
from calibench_methods.calibrators.convex import logistic
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats
from calibench_methods.calibrators.parameters import OF_DEVIATIONS, of_param

IDENTITY = (1.0, 1.0, 0.0)
"""The coefficients a, b, c of the map that changes nothing."""

FREE_COEFFICIENTS = ([0, 1, 2], [1, 2], [0, 2], [2])
"""The fits that can be the constrained minimum: all of a, b, c free, or a, b or both fixed at 0."""

SPEC = MethodSpec(
    name="beta",
    kind="calibrator",
    advice_order=3,
    advice_per_class=10,
    target=f"{__name__}:Beta",
    summary="Beta calibration (abm): a curve with three parameters for each class; the identity is one of the curves.",
    params=(
        Param(
            "pull",
            "float",
            1.0,
            "weight of the penalty: half the squared distance of (a, b, c) from the identity (1, 1, 0)",
            "samples",
            minimum=1e-6,
        ),
        of_param("classes"),
    ),
    equation="q = sigmoid(a ln p - b ln(1 - p) + c), a, b >= 0, at the least log loss + pull / (2n) |(a,b,c) - (1,1,0)|^2",
    use_when="there are two classes or few, and probabilities err in another way near 0 than near 1",
    avoid_when="one number is enough or a class has few cal rows (DenseNet, 50 a class: ECE15 3.5 %, temperature 1.4 %)",
    cost="a Newton fit of 3 numbers a class",
    paper=(
        "M. Kull, T. Silva Filho, P. Flach, Beta calibration: a well-founded and easily implemented improvement on "
        "logistic calibration for binary classifiers, AISTATS 2017"
    ),
    deviations=(
        "the paper has no penalty; here a normal prior of unit width around the identity keeps the fit finite on separable data",
        "a, b >= 0 is reached by the best of the fits with none, one or both at 0; the paper refits once",
        *OF_DEVIATIONS,
    ),
)


class Beta(BinaryMap):
    """`sigmoid(a_k ln p_k - b_k ln(1 - p_k) + c_k)` with `a_k, b_k >= 0` (the abm family)."""

    def __init__(self, pull: float, of: str) -> None:
        super().__init__(of)
        self.pull = pull

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`a`, `b`, `c` at the minimum over `a, b >= 0`."""
        features = np.stack([column.log_p, -column.log_q, np.ones(len(hit))], axis=1)
        pull = self.pull / len(hit)
        identity = np.array(IDENTITY)
        best, least_loss = identity, np.inf
        for free in FREE_COEFFICIENTS:
            coefficients = np.zeros(3)
            coefficients[free] = logistic(features[:, free], hit, pull, identity[free], "beta")
            if not (coefficients[:2] >= 0).all():
                continue
            x = features @ coefficients
            loss = np.mean(np.logaddexp(0, x) - hit * x) + pull / 2 * np.square(coefficients - identity).sum()
            if loss < least_loss:
                best, least_loss = coefficients, loss
            if len(free) == 3:
                break  # the unconstrained minimum meets the bounds
        return dict(zip("abc", best.tolist(), strict=True))

    def curve(self, ops: Ops, column: Column, fitted: dict[str, Any]) -> Any:
        """The sigmoid."""
        return ops.sigmoid(column.log_p * fitted["a"] - column.log_q * fitted["b"] + fitted["c"])
