"""The base classes of the parts of a loss that temperature scaling removes and leaves: calibration and refinement."""

from __future__ import annotations

from typing import ClassVar

from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Details
from calibench.metrics.temperature_refinement import Loss, refinement, temperatures
from calibench.metrics.weighted import weighted_mean
from calibench.metrics.weighted_metric import WeightedMetric


class RefinementPart(WeightedMetric):
    """The loss that is left after temperature scaling. Subclasses name the `loss`."""

    takes_weights = True
    loss: ClassVar[Loss]

    def __init__(self, folds: int = 5) -> None:
        self.folds = folds

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Each resample is split into folds anew; copies of a sample may be in several."""
        return refinement(judged, weights, self.folds, self.loss)

    def details(self, judged: Judged) -> Details:
        """`temperatures`: the T of each fold."""
        return {"temperatures": temperatures(judged, self.folds).tolist()}


class CalibrationPart(WeightedMetric):
    """The loss less that after temperature scaling. Subclasses name the `loss`."""

    takes_weights = True
    loss: ClassVar[Loss]

    def __init__(self, folds: int = 5) -> None:
        self.folds = folds

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """The loss of each resample less its refinement."""
        losses = judged.nll if self.loss == "nll" else judged.brier
        return weighted_mean(weights, losses) - refinement(judged, weights, self.folds, self.loss)
