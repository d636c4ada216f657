"""`ce`: cross-entropy."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Objective
from calibench.lazy import torch
from calibench.stages import Batch, TrainTask
from calibench_methods.objectives.weighted_ce import (
    WEIGHTED_MEAN,
    WEIGHTING,
    WEIGHTS_AVOID,
    WEIGHTS_MOVE_THE_PRIOR,
    WeightedCrossEntropy,
)

SPEC = MethodSpec(
    name="ce",
    kind="objective",
    target=f"{__name__}:CrossEntropy",
    summary="Cross-entropy: the maximum-likelihood baseline, with a weight for each class if you give one.",
    default=True,
    params=WEIGHTING,
    equation="loss = -w_y log softmax(logits)[y] / mean weight, w = 1 unless weight is set",
    paper="C. Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.4 (multiclass logistic regression)",
    deviations=(WEIGHTS_MOVE_THE_PRIOR, WEIGHTED_MEAN),
    use_when="always first: every other objective is judged against it; with weights only if a rare class is not learned",
    avoid_when=WEIGHTS_AVOID,
    cost="one pass forward and back a step; weights add nothing",
)


class CrossEntropy(Objective):
    """`-log softmax(logits)[y]`, mean over the batch; with class weights `w`, the mean weighted by `w_y`."""

    def __init__(self, weight: str | None = None, divide_by: str | None = None) -> None:
        self.weighted = WeightedCrossEntropy("ce", weight, divide_by)
        self.splits = self.weighted.splits

    def check(self, num_classes: int) -> None:
        """InputError unless there is one weight per class."""
        self.weighted.check(num_classes)

    def prepare(self, task: TrainTask) -> None:
        """Compute the weights."""
        self.weighted.prepare(task)

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        return self.weighted.loss(logits, batch.y)

    def validation_nll(self, logits: torch.Tensor, labels: torch.Tensor) -> float:
        """The NLL; with weights, the mean weighted by them."""
        return self.weighted.validation_nll(logits, labels)

    def figures(self) -> dict[str, Any]:
        """`class_weights`, if they are balanced; else nothing."""
        return self.weighted.figures()
