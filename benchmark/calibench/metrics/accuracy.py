"""Accuracy: the share of samples whose most probable class is the label."""

from __future__ import annotations

from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Metric, weighted_mean
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="accuracy",
    place=10,
    summary="Share of samples whose most probable class is the label.",
    target=f"{__name__}:Accuracy",
    better="higher",
    equation="mean([argmax p = y])",
    deviations=("Among equal scores the lowest class index is the prediction.",),
)


class Accuracy(Metric):
    """`mean([argmax p = label])`, a fraction; among equal scores the lowest class index is the prediction."""

    def value(self, judged: Judged) -> float:
        """Correct samples / N."""
        return float(judged.correct.sum() / judged.n)

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Weighted share of correct samples, exact: both sums are whole numbers."""
        return weighted_mean(weights, judged.correct)
