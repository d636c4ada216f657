"""`focal`: the loss of easy samples counts less (Lin et al., ICCV 2017; for calibration Mukhoti et al., NeurIPS 2020)."""

from __future__ import annotations

from typing import Any

from calibench import InputError, MethodSpec, Objective, Param
from calibench.lazy import torch
from calibench.stages import Batch, TrainTask
from calibench_methods.objectives.class_weights import ClassWeights
from calibench_methods.objectives.log_probability import label_log_probs
from calibench_methods.objectives.weighted_ce import weighted_nll

SPEC = MethodSpec(
    name="focal",
    kind="objective",
    target=f"{__name__}:Focal",
    summary="Focal loss: cross-entropy in which easy samples count less.",
    params=(
        Param("gamma", "float", 3.0, "focusing strength (Mukhoti et al.: 3; Lin et al., for detection: 2)", minimum=0),
        Param(
            "alpha",
            "str",
            None,
            "weight of each class: of two classes one number a, for 1-a;a (Lin et al., for detection: 0.25); one per class, as "
            "1;20; or balanced, N / (K n_k) for n_k of N training rows",
            late=True,
        ),
    ),
    equation="loss = -alpha_y (1 - p_y)^gamma log p_y, alpha = 1 unless it is set",
    paper=(
        "T.-Y. Lin et al., Focal Loss for Dense Object Detection, ICCV 2017 (arXiv 1708.02002); J. Mukhoti et al., "
        "Calibrating Deep Neural Networks using Focal Loss, NeurIPS 2020 (arXiv 2002.09437)"
    ),
    deviations=(
        "Lin et al. have one sigmoid a class and divide by the number of boxes assigned to an object; here there is one "
        "softmax, and the sum is divided by the rows of the batch",
        "Lin et al. start the bias of the last layer at the log-odds of a prior of 0.01; here it starts as for every objective",
        "alpha trains the probabilities of other class shares, as weights of ce do; focal is no proper loss, so "
        "prior-correction undoes only part of it",
    ),
    use_when="a network is over-confident and no cal split can be spared; alpha, to repeat a detector's training",
    avoid_when="probabilities of a rare class are needed: both gamma and alpha raise them; or temperature can be fitted",
    cost="as ce",
)


class Focal(Objective):
    """`-alpha_y (1 - p_y)^gamma log p_y`, mean over the batch; alpha is 1 if it is not set."""

    def __init__(self, gamma: float, alpha: str | None = None) -> None:
        self.gamma = gamma
        self.alpha = None if alpha is None else ClassWeights("focal", "alpha", alpha)
        self.weights: torch.Tensor | None = None

    def check(self, num_classes: int) -> None:
        """InputError unless there is one alpha per class, or of two classes one in (0, 1)."""
        if self.alpha is None:
            return
        numbers = self.alpha.numbers
        if num_classes != 2 or numbers is None or len(numbers) > 1:
            self.alpha.check(num_classes)
        elif numbers[0] >= 1:
            message = f"{self.alpha.where} is not below 1: class 0 gets the weight 1 - alpha"
            raise InputError(message, "give a number in (0, 1), or one weight per class, as in focal:alpha=1;20")

    def prepare(self, task: TrainTask) -> None:
        """Compute the weights."""
        if self.alpha is not None:
            weights = self.alpha.of_classes(task.labels, task.num_classes)
            self.weights = torch.cat([1 - weights, weights]) if len(weights) == 1 else weights

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        losses = focal_loss(label_log_probs(logits, batch.y), self.gamma)
        return (losses if self.weights is None else self.weights.to(logits)[batch.y] * losses).mean()

    def validation_nll(self, logits: torch.Tensor, labels: torch.Tensor) -> float:
        """The NLL, without gamma; with alpha, the mean weighted by it."""
        return weighted_nll(logits, labels, self.weights)

    def figures(self) -> dict[str, Any]:
        """`class_weights`, if they are balanced; else nothing."""
        return {} if self.alpha is None else self.alpha.figures("class_weights", self.weights)


def focal_loss(log_p: torch.Tensor, gamma: float | torch.Tensor) -> torch.Tensor:
    """`-(1 - p)^gamma log p`, `[n]`, for gamma >= 0; the value and its gradient are finite from p = 0 to p = 1."""
    return -(positive_complement(log_p) ** gamma) * log_p


def positive_complement(log_p: torch.Tensor) -> torch.Tensor:
    """`1 - p`, at least the smallest normal number: at p = 1 a power below 1 has an infinite slope, and times 0 that is NaN."""
    return (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny)
