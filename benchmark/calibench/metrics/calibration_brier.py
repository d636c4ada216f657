"""Calibration part of the Brier score: what temperature scaling removes."""

from __future__ import annotations

from typing import ClassVar

from calibench.metrics.temperature_parts import CalibrationPart
from calibench.metrics.temperature_refinement import FOLDS, Loss
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


class CalibrationBrier(CalibrationPart):
    """`brier - refinement_brier`, in squared probability: what temperature scaling gains on samples that it was not fitted to.

    T minimises the NLL, which need not lower the Brier score: the figure is below 0 if T of the other folds makes it worse. Only
    errors that one T can correct count. NaN for a single sample, unless `folds` is 1.
    Source: Berta, Holzmüller, Jordan & Bach 2025, "Rethinking Early Stopping: Refine, Then Calibrate".
    """

    loss: ClassVar[Loss] = "brier"
