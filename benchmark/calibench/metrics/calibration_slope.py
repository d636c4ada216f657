"""Calibration slope of two classes: the slope of a logistic regression of the label on logit(p_1)."""

from __future__ import annotations

from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.logit_recalibration import is_binary, slopes
from calibench.metrics.weighted_metric import WeightedMetric
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="calibration_slope",
    place=460,
    summary="Slope of a logistic regression of the label on logit(p_1), for two classes; 1 is best, below 1 is over-confident.",
    target=f"{__name__}:CalibrationSlope",
    unit="ratio",
    equation="b of logit P(y = 1) = a + b logit(p_1), by maximum likelihood",
    paper="Cox 1958, Biometrika 45(3/4)",
    deviations=(
        "Undefined if one class is absent, or if a threshold on p_1 separates the classes (ties at it included): the "
        "likelihood then has no maximum.",
    ),
    rankable=False,
    optional=True,
)


class CalibrationSlope(WeightedMetric):
    """b of `logit P(y = 1) = a + b logit(p_1)`, fitted by maximum likelihood; 1 is best, below 1 is over-confident.

    NaN if the likelihood has no maximum: one class is absent, or a threshold on p_1 separates the classes. Newton's steps are
    halved until the likelihood rises.
    Source: Cox 1958, "Two further applications of a model for binary regression".
    """

    takes_weights = True

    def applies(self, judged: Judged) -> bool:
        """True for two classes, if a sample has one label."""
        return is_binary(judged)

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """The slope fitted to each resample."""
        return slopes(judged, weights)
