"""Accuracy: the share of samples whose most probable class is the label."""

from __future__ import annotations

from calibench.metrics.binning import Bools
from calibench.metrics.judged import Judged
from calibench.metrics.sample_mean import SampleMean
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="accuracy",
    place=10,
    summary="Share of samples whose most probable class is the label.",
    target=f"{__name__}:Accuracy",
    better="higher",
    equation="mean([argmax p = y])",
    deviations=("Among equal scores the lowest class index is the prediction.",),
    estimand="the mean of the population",
)


class Accuracy(SampleMean):
    """`mean([argmax p = label])`, a fraction; among equal scores the lowest class index is the prediction.

    Resamples are exact: both sums are whole numbers.
    """

    share = True
    of_top_label = True

    def per_sample(self, judged: Judged) -> Bools:
        """True where the prediction is the label."""
        return judged.is_correct
