"""`quadratic`: logistic regression on the log-odds and their square (Berta et al. 2025)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Param
from calibench.lazy import np
from calibench.stages import Ops
from calibench_methods.calibrators.convex import logistic
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats
from calibench_methods.calibrators.parameters import BERTA, OF_DEVIATIONS, of_param

IDENTITY = (0.0, 1.0, 0.0)
"""The coefficients a, b, c of the map that changes nothing."""

SPEC = MethodSpec(
    name="quadratic",
    kind="calibrator",
    target=f"{__name__}:Quadratic",
    summary="Quadratic scaling: a sigmoid of a parabola of the log-odds; CalArena's best on two classes.",
    params=(
        Param(
            "pull",
            "float",
            1.0,
            "weight of the penalty: half the squared distance of (a, b, c) from the identity (0, 1, 0)",
            "samples",
            minimum=1e-6,
        ),
        of_param("classes"),
    ),
    equation=(
        "q = sigmoid(a + b f + c f^2), f = ln p - ln(1 - p), at the least log loss + pull / (2n) |(a,b,c) - (0,1,0)|^2"
    ),
    paper=f"{BERTA}; CalArena, arXiv 2605.30188",
    deviations=(
        "the authors have no penalty; here a normal prior of unit width around the identity keeps the fit finite on separable "
        "data. Platt's targets would too, but with p of exactly 0 and 1, as forests give, they ruin the fit",
        "the authors' probabilities are float32, so that a p above 1 - 6e-8 has log-odds of 87; here log-odds are exact",
        "the paper has two classes; more are mapped one against the rest",
        *OF_DEVIATIONS,
    ),
    use_when="there are two classes and cal has some hundred rows of each",
    avoid_when="new scores lie far beyond those of cal: a parabola turns there, so that a surer score can map to a lower one",
    cost="a logistic regression with three unknowns for each class: milliseconds",
)


class Quadratic(BinaryMap):
    """`sigmoid(a_k + b_k f_k + c_k f_k^2)` of the log-odds `f_k`; it need not be monotone."""

    def __init__(self, pull: float, of: str) -> None:
        super().__init__(of)
        self.pull = pull

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`a`, `b`, `c`."""
        log_odds = column.log_p - column.log_q
        features = np.stack([np.ones(len(hit)), log_odds, log_odds**2], axis=1)
        coefficients = logistic(features, hit, self.pull / len(hit), np.array(IDENTITY), "quadratic")
        return dict(zip("abc", coefficients.tolist(), strict=True))

    def curve(self, ops: Ops, column: Column, fitted: dict[str, Any]) -> Any:
        """The sigmoid of the parabola."""
        log_odds = column.log_p - column.log_q
        return ops.sigmoid((log_odds * fitted["c"] + fitted["b"]) * log_odds + fitted["a"])
