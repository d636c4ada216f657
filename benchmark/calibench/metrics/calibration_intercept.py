"""Calibration intercept of two classes: by how much logit(p_1) is too low on the whole."""

from __future__ import annotations

from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.logit_recalibration import intercepts, is_binary
from calibench.metrics.weighted_metric import WeightedMetric
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="calibration_intercept",
    place=455,
    summary="Calibration in the large, for two classes: the shift of logit(p_1) that makes its mean right; 0 is best.",
    target=f"{__name__}:CalibrationIntercept",
    unit="log odds",
    equation="a of logit P(y = 1) = a + logit(p_1), by maximum likelihood",
    paper="Cox 1958, Biometrika 45(3/4)",
    deviations=("The slope is fixed at 1. Undefined if one class is absent.",),
    rankable=False,
    optional=True,
)


class CalibrationIntercept(WeightedMetric):
    """a of `logit P(y = 1) = a + logit(p_1)`, in log odds; 0 is best, above 0 the probability of class 1 is too low.

    The slope is fixed at 1 (calibration in the large). NaN if one class is absent. Newton's steps stay within a bracket.
    Source: Cox 1958, "Two further applications of a model for binary regression".
    """

    takes_weights = True

    def applies(self, judged: Judged) -> bool:
        """True for two classes, if a sample has one label."""
        return is_binary(judged)

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """The intercept fitted to each resample."""
        return intercepts(judged, weights)
