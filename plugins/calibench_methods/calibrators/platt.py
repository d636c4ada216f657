"""`platt`: Platt scaling (Platt 1999)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec
from calibench.lazy import np
from calibench_methods.calibrators.convex import logistic
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats
from calibench_methods.calibrators.parameters import ROWS, of

SPEC = MethodSpec(
    name="platt",
    kind="calibrator",
    target=f"{__name__}:Platt",
    summary="Platt scaling: a sigmoid of the log-odds of each class.",
    params=(of("classes"),),
    equation=(
        "q = sigmoid(slope f + bias), f = ln p - ln(1 - p), at the least log loss of the targets (n+ + 1) / (n+ + 2) "
        "and 1 / (n- + 2)"
    ),
    paper="J. Platt, Probabilistic Outputs for Support Vector Machines, Advances in Large Margin Classifiers, 1999",
    deviations=("the paper maps the margin of an SVM; here f is the log-odds", *ROWS),
)


class Platt(BinaryMap):
    """`sigmoid(slope_k f_k + bias_k)` of the log-odds `f_k = ln p_k - ln(1 - p_k)`.

    Fitted to Platt's targets `(n+ + 1) / (n+ + 2)` and `1 / (n- + 2)`, which keep it finite on separable data.
    """

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`slope` and `bias`; a class whose log-odds are all the same has slope 0."""
        slope, bias = fit_sigmoid(column.log_p - column.log_q, hit, "platt")
        return {"slope": slope, "bias": bias}

    def apply_one(self, column: Column, fitted: dict[str, Any]) -> Floats:
        """The sigmoid."""
        return sigmoid(fitted["slope"] * (column.log_p - column.log_q) + fitted["bias"])


def fit_sigmoid(odds: Floats, hit: Floats, name: str) -> tuple[float, float]:
    """Slope and bias of `sigmoid(slope f + bias)` at the least log loss of Platt's targets for `hit [N]`, 0 or 1."""
    positives = hit.sum()
    target = np.where(hit == 1, (positives + 1) / (positives + 2), 1 / (len(hit) - positives + 2))
    middle, spread = odds.mean(), odds.std()
    if not spread > 1e-12 * np.abs(odds).max():
        mean = target.mean()
        return 0.0, float(np.log(mean / (1 - mean)))
    features = np.stack([(odds - middle) / spread, np.ones(len(odds))], axis=1)
    slope, bias = logistic(features, target, 0.0, np.zeros(2), name)
    return float(slope / spread), float(bias - slope / spread * middle)


def sigmoid(x: Floats) -> Floats:
    """`1 / (1 + exp(-x))` without overflow."""
    p: Floats = np.exp(-np.logaddexp(0, -x))
    return p
