"""`label-smoothing`: targets mixed with the uniform distribution (Szegedy et al., CVPR 2016)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Objective, Param
from calibench.lazy import torch
from calibench.stages import Batch, TrainTask
from calibench_methods.objectives.weighted_ce import (
    WEIGHTED_MEAN,
    WEIGHTING,
    WEIGHTS_MOVE_THE_PRIOR,
    WeightedCrossEntropy,
)

SPEC = MethodSpec(
    name="label-smoothing",
    kind="objective",
    target=f"{__name__}:LabelSmoothing",
    summary="Label smoothing: cross-entropy with targets mixed with the uniform distribution.",
    params=(
        Param("epsilon", "float", 0.1, "weight of the uniform distribution (the paper: 0.1)", minimum=0, maximum=1),
        *WEIGHTING,
    ),
    equation=(
        "loss = -sum_k w_k ((1 - e) onehot(y)_k + e/K) log p_k / mean weight, w = 1 unless weight is set (the paper has no "
        "weights; with them this is torch's cross_entropy(weight=, label_smoothing=))"
    ),
    paper="C. Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016 (arXiv 1512.00567)",
    deviations=(
        WEIGHTS_MOVE_THE_PRIOR,
        WEIGHTED_MEAN,
        "as in torch, w_k multiplies every target of class k, also the e/K that it has in rows of other classes: with balanced "
        "weights and two classes, 0.1 % of one, each row of the other has e/2 * 500 = 25 of that class's loss and 0.5 of its own",
    ),
    use_when="accuracy counts more than probabilities, or +temperature follows",
    avoid_when=(
        "a class is rarer than e/K: no probability is trained below that, and weights make it far worse; or probabilities "
        "count, and no temperature follows"
    ),
    cost="as ce",
)


class LabelSmoothing(Objective):
    """`-sum_k w_k ((1 - e) onehot(y)_k + e / K) log p_k`, mean over the batch, weighted by `w_y` where there are weights."""

    def __init__(self, epsilon: float, weight: str | None = None, divide_by: str | None = None) -> None:
        self.epsilon = epsilon
        self.weighted = WeightedCrossEntropy("label-smoothing", weight, divide_by)
        self.splits = self.weighted.splits

    def check(self, num_classes: int) -> None:
        """InputError unless there is one weight per class."""
        self.weighted.check(num_classes)

    def prepare(self, task: TrainTask) -> None:
        """Compute the weights."""
        self.weighted.prepare(task)

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        return self.weighted.loss(logits, batch.y, self.epsilon)

    def validation_nll(self, logits: torch.Tensor, labels: torch.Tensor) -> float:
        """The NLL, without smoothing; with weights, the mean weighted by them."""
        return self.weighted.validation_nll(logits, labels)

    def figures(self) -> dict[str, Any]:
        """`class_weights`, if they are balanced; else nothing."""
        return self.weighted.figures()
