"""`beta`: beta calibration (Kull, Silva Filho and Flach, AISTATS 2017)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Param
from calibench.lazy import np
from calibench_methods.calibrators.convex import logistic
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats
from calibench_methods.calibrators.parameters import ROWS, of
from calibench_methods.calibrators.platt import sigmoid

IDENTITY = (1.0, 1.0, 0.0)


SPEC = MethodSpec(
    name="beta",
    kind="calibrator",
    target=f"{__name__}:Beta",
    summary="Beta calibration (abm): a three-parameter curve for each class, the identity among them.",
    params=(
        Param(
            "pull",
            "float",
            1.0,
            "weight, in samples, of half the squared distance of (a, b, c) from the identity (1, 1, 0)",
            "samples",
            minimum=1e-6,
        ),
        of("classes"),
    ),
    equation="q = sigmoid(a ln p - b ln(1 - p) + c), a, b >= 0, at the least log loss + pull / (2n) |(a,b,c) - (1,1,0)|^2",
    paper=(
        "M. Kull, T. Silva Filho, P. Flach, Beta calibration: a well-founded and easily implemented improvement on "
        "logistic calibration for binary classifiers, AISTATS 2017"
    ),
    deviations=(
        "the paper has no penalty; a normal prior of unit width about the identity keeps separable data finite",
        "a, b >= 0 by the best of the fits with none, one or both at 0, in place of one refit",
        *ROWS,
    ),
)


class Beta(BinaryMap):
    """`sigmoid(a_k ln p_k - b_k ln(1 - p_k) + c_k)` with `a_k, b_k >= 0` (the abm family)."""

    def __init__(self, pull: float, of: str) -> None:
        super().__init__(of)
        self.pull = pull

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`a`, `b`, `c`, at the minimum among `a, b >= 0`: the least of those with none, one or both held at 0."""
        features = np.stack([column.log_p, -column.log_q, np.ones(len(hit))], axis=1)
        pull = self.pull / len(hit)
        identity = np.array(IDENTITY)
        best, least = identity, np.inf
        for free in ([0, 1, 2], [1, 2], [0, 2], [2]):
            found = np.zeros(3)
            found[free] = logistic(features[:, free], hit, pull, identity[free], "beta")
            x = features @ found
            loss = np.mean(np.logaddexp(0, x) - hit * x) + pull / 2 * np.square(found - identity).sum()
            if (found[:2] >= 0).all() and loss < least:
                best, least = found, loss
            if len(free) == 3 and (found[:2] >= 0).all():
                break  # the minimum without bounds
        return dict(zip("abc", best.tolist(), strict=True))

    def apply_one(self, column: Column, fitted: dict[str, Any]) -> Floats:
        """The sigmoid."""
        return sigmoid(fitted["a"] * column.log_p - fitted["b"] * column.log_q + fitted["c"])
