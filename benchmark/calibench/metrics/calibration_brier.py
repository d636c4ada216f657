"""Calibration part of the Brier score: what temperature scaling removes."""

from __future__ import annotations

from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.temperature_refinement import FOLDS, refinement
from calibench.metrics.weighted import weighted_mean
from calibench.metrics.weighted_metric import WeightedMetric
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="calibration_brier",
    place=425,
    summary="Brier score less that after temperature scaling, cross-validated.",
    target=f"{__name__}:CalibrationBrier",
    unit="squared probability",
    equation="brier - refinement_brier",
    paper="Berta, Holzmüller, Jordan & Bach 2025, arXiv:2501.19195",
    params=(FOLDS,),
    deviations=(
        "The folds and the bounds of T are those of `refinement_brier`.",
        "It is below 0 where the T of the least NLL raises the Brier score.",
    ),
    optional=True,
)


class CalibrationBrier(WeightedMetric):
    """`brier - refinement_brier`, in squared probability: what temperature scaling gains on samples that it was not fitted to.

    T minimises the NLL, which need not lower the Brier score: the figure is below 0 if T of the other folds makes it worse. Only
    errors that one T can correct count. NaN for a single sample, unless `folds` is 1.
    Source: Berta, Holzmüller, Jordan & Bach 2025, "Rethinking Early Stopping: Refine, Then Calibrate".
    """

    def __init__(self, folds: int = 5) -> None:
        self.folds = folds

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """The loss of each resample less its refinement."""
        return weighted_mean(weights, judged.brier) - refinement(judged, weights, self.folds, "brier")
