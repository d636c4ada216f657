"""`platt`: Platt scaling (Platt 1999)."""

from __future__ import annotations

from typing import Any

from calibench import InputError, MethodSpec, Param
from calibench.lazy import np
from calibench.stages import Ops
from calibench_methods.calibrators.convex import logistic
from calibench_methods.calibrators.multiclass import BinaryMap, Column, Floats
from calibench_methods.calibrators.parameters import OF_DEVIATIONS, of_param

SPEC = MethodSpec(
    name="platt",
    kind="calibrator",
    advice_order=2,
    advice_per_class=10,
    target=f"{__name__}:Platt",
    summary="Platt scaling: a sigmoid of the log-odds of each class.",
    params=(
        Param(
            "score",
            "str",
            "log-odds",
            "input of the sigmoid: log-odds, or the probability itself as scikit-learn and CalArena's Platt-probs take it",
            choices=("log-odds", "probability"),
        ),
        Param(
            "targets",
            "str",
            "platt",
            "platt: the smoothed targets of the paper; labels: the labels, with a penalty of the weight of one sample, half the "
            "squared distance of (slope, bias) from (1, 0)",
            choices=("platt", "labels"),
        ),
        of_param("classes"),
    ),
    equation=(
        "q = sigmoid(slope f + bias), f = ln p - ln(1 - p), or p for score=probability, at the least log loss of the "
        "targets (n+ + 1) / (n+ + 2) and 1 / (n- + 2)"
    ),
    use_when="there are two classes, or scores of one class against the rest, and a class has 10 cal rows or more",
    avoid_when=(
        "many classes have few cal rows (WRN-16-4: NLL 0.940, temperature 0.935), or scores are exactly 0 and 1, as of "
        "forests: targets=labels or beta"
    ),
    cost="a Newton fit of 2 numbers a class",
    paper="J. Platt, Probabilistic Outputs for Support Vector Machines, Advances in Large Margin Classifiers, 1999",
    deviations=("the paper maps the margin of an SVM; here f is the log-odds", *OF_DEVIATIONS),
)


class Platt(BinaryMap):
    """`sigmoid(slope_k f_k + bias_k)` of the log-odds `f_k = ln p_k - ln(1 - p_k)`, or of `f_k = p_k`.

    The fit is to Platt's targets `(n+ + 1) / (n+ + 2)` and `1 / (n- + 2)`, which keep it finite on separable data, or to the
    labels, with a penalty that does.
    """

    def __init__(self, score: str, targets: str, of: str) -> None:
        super().__init__(of)
        self.score = score
        self.targets = targets
        if (score, targets) == ("probability", "labels"):
            message = (
                "platt: targets=labels holds the slope of the log-odds near 1, and score=probability has another slope"
            )
            raise InputError(message, "leave out one of the two")

    def fit_one(self, column: Column, hit: Floats) -> dict[str, Any]:
        """`slope` and `bias`; with Platt's targets the slope is 0 if all scores are equal."""
        if self.targets == "labels":
            features = np.stack([self._score(column), np.ones(len(hit))], axis=1)
            slope, bias = logistic(features, hit, 1 / len(hit), np.array([1.0, 0.0]), "platt").tolist()
        else:
            slope, bias = fit_sigmoid(self._score(column), hit, "platt")
        return {"slope": slope, "bias": bias}

    def curve(self, ops: Ops, column: Column, fitted: dict[str, Any]) -> Any:
        """The sigmoid of the scaled score."""
        return ops.sigmoid(self._score(column) * fitted["slope"] + fitted["bias"])

    def _score(self, column: Column) -> Floats:
        return column.p if self.score == "probability" else column.log_p - column.log_q


def fit_sigmoid(log_odds: Floats, hit: Floats, name: str) -> tuple[float, float]:
    """Slope and bias of `sigmoid(slope f + bias)` with the least log loss of Platt's targets for `hit [N]`, 0 or 1."""
    positives = hit.sum()
    target = np.where(hit == 1, (positives + 1) / (positives + 2), 1 / (len(hit) - positives + 2))
    mean, sd = log_odds.mean(), log_odds.std()
    if not sd > 1e-12 * np.abs(log_odds).max():
        share = target.mean()
        return 0.0, float(np.log(share / (1 - share)))
    features = np.stack([(log_odds - mean) / sd, np.ones(len(log_odds))], axis=1)
    slope, bias = logistic(features, target, 0.0, np.zeros(2), name)
    return float(slope / sd), float(bias - slope / sd * mean)


def sigmoid(x: Floats) -> Floats:
    """`1 / (1 + exp(-x))` without overflow."""
    p: Floats = np.exp(-np.logaddexp(0, -x))
    return p
