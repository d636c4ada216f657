"""`quadratic`: logistic regression on the log-odds and their square (Berta et al. 2025)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec
from calibench.lazy import np
from calibench_methods.calibrators.convex import logistic
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats
from calibench_methods.calibrators.parameters import BERTA, OF_DEVIATIONS, of_param
from calibench_methods.calibrators.platt import platt_targets, sigmoid

SPEC = MethodSpec(
    name="quadratic",
    kind="calibrator",
    target=f"{__name__}:Quadratic",
    summary="Quadratic scaling: a sigmoid of a parabola of the log-odds; CalArena's best on two classes.",
    params=(of_param("classes"),),
    equation=(
        "q = sigmoid(a + b f + c f^2), f = ln p - ln(1 - p), at the least log loss of the targets (n+ + 1) / (n+ + 2) "
        "and 1 / (n- + 2)"
    ),
    paper=f"{BERTA}; CalArena, arXiv 2605.30188",
    deviations=(
        "the authors fit the labels themselves; Platt's targets keep the fit finite on separable data",
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

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`a`, `b`, `c`; a feature that does not vary gets a coefficient of 0."""
        log_odds = column.log_p - column.log_q
        powers = np.stack([np.ones(len(hit)), log_odds, log_odds**2], axis=1)
        mean, sd = powers.mean(axis=0), powers.std(axis=0)
        free = np.flatnonzero(sd > 1e-12 * np.abs(powers).max(axis=0))
        features = np.concatenate([np.ones((len(hit), 1)), (powers[:, free] - mean[free]) / sd[free]], axis=1)
        fitted = logistic(features, platt_targets(hit), 0.0, np.zeros(features.shape[1]), "quadratic")
        coefficients = np.zeros(3)
        coefficients[free] = fitted[1:] / sd[free]
        coefficients[0] = fitted[0] - coefficients[free] @ mean[free]
        return dict(zip("abc", coefficients.tolist(), strict=True))

    def apply_one(self, column: Column, fitted: dict[str, Any]) -> Floats:
        """The sigmoid of the parabola."""
        log_odds = column.log_p - column.log_q
        return sigmoid(fitted["a"] + log_odds * (fitted["b"] + fitted["c"] * log_odds))
