"""Refinement part of the NLL: what is left of it after temperature scaling."""

from __future__ import annotations

from typing import ClassVar

from calibench.metrics.temperature_parts import RefinementPart
from calibench.metrics.temperature_refinement import DEVIATIONS, FOLDS, Loss
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="refinement_nll",
    place=420,
    summary="NLL after temperature scaling, cross-validated: the part that calibration cannot remove.",
    target=f"{__name__}:RefinementNll",
    unit="nats",
    equation="nll of softmax(logits / T), T = argmin NLL on the other folds",
    paper="Berta, Holzmüller, Jordan & Bach 2025, arXiv:2501.19195",
    params=(FOLDS,),
    deviations=DEVIATIONS,
    optional=True,
)


class RefinementNll(RefinementPart):
    """The mean NLL of `softmax(logits / T)`, in nats; T minimises the NLL of the samples in the other folds.

    The paper defines refinement as the smallest loss after any map of the outputs, and estimates it with temperature scaling.
    One T serves all labels if samples have several. NaN for a single sample, unless `folds` is 1.
    Source: Berta, Holzmüller, Jordan & Bach 2025, "Rethinking Early Stopping: Refine, Then Calibrate".
    """

    loss: ClassVar[Loss] = "nll"
