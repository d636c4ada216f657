"""`elr`: early-learning regularisation (Liu et al., NeurIPS 2020)."""

from __future__ import annotations

from calibench import MethodSpec, Objective, Param
from calibench.lazy import functional, torch
from calibench.stages import Batch, TrainTask

FLOOR = 1e-4
"""Where 1 - <p, t> falls below it, it counts as this and has no gradient: its log has no bound."""


SPEC = MethodSpec(
    name="elr",
    kind="objective",
    target=f"{__name__}:EarlyLearningRegularization",
    summary="Early-learning regularisation: holds each prediction near the running mean of its own past.",
    params=(
        Param("weight", "float", 3.0, "weight of the regulariser, lambda (the paper: 3 for CIFAR-10)", minimum=0),
        Param("beta", "float", 0.7, "memory of the targets (the paper: 0.7 for CIFAR-10)", minimum=0, maximum=1),
    ),
    equation="t <- beta t + (1 - beta) p; loss = -log p_y + weight log(1 - <p, t>)",
    paper="S. Liu et al., Early-Learning Regularization Prevents Memorization of Noisy Labels, NeurIPS 2020 (arXiv 2007.00151)",
    deviations=("1 - <p, t> counts as 1e-4 where it is less, since its log has no bound",),
)


class EarlyLearningRegularization(Objective):
    """`CE + weight log(1 - <p, t>)`, mean over the batch; `t [K]` is each sample's running mean of its own past p.

    At every step `t <- beta t + (1 - beta) p` first, from t = 0 on; no gradient flows through t.
    """

    learned = ("targets",)

    def __init__(self, weight: float, beta: float) -> None:
        self.weight = weight
        self.beta = beta

    def prepare(self, task: TrainTask) -> None:
        """Set every sample's target to 0."""
        shape = (len(task.labels), task.num_classes)
        self.targets = torch.zeros(shape, device=task.labels.device)

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats; moves the targets of the batch's rows."""
        log_p = logits.log_softmax(dim=1)
        p = log_p.exp()
        target = self.beta * self.targets[batch.rows].to(p) + (1 - self.beta) * p.detach()
        self.targets[batch.rows] = target.to(self.targets)
        apart = (p * (1 - target)).sum(dim=1)  # 1 - <p, t>, since p sums to 1
        return functional.nll_loss(log_p, batch.y) + self.weight * apart.clamp_min(FLOOR).log().mean()
