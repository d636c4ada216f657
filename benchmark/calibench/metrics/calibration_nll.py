"""Calibration part of the NLL: what temperature scaling removes."""

from __future__ import annotations

from typing import ClassVar

from calibench.metrics.temperature_parts import CalibrationPart
from calibench.metrics.temperature_refinement import FOLDS, Loss
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="calibration_nll",
    place=415,
    summary="NLL less that after temperature scaling, cross-validated.",
    target=f"{__name__}:CalibrationNll",
    unit="nats",
    equation="nll - refinement_nll",
    paper="Berta, Holzmüller, Jordan & Bach 2025, arXiv:2501.19195",
    params=(FOLDS,),
    deviations=(
        "The folds and the bounds of T are those of `refinement_nll`.",
        "A calibrated model scores about 0, often just below.",
    ),
    optional=True,
)


class CalibrationNll(CalibrationPart):
    """`nll - refinement_nll`, in nats: what temperature scaling gains on samples that it was not fitted to.

    It is below 0 if T of the other folds makes matters worse, as it may for a calibrated model. Only errors that one T can
    correct count. NaN for a single sample, unless `folds` is 1.
    Source: Berta, Holzmüller, Jordan & Bach 2025, "Rethinking Early Stopping: Refine, Then Calibrate".
    """

    loss: ClassVar[Loss] = "nll"
