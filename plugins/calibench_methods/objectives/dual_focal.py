"""`dual-focal`: focal loss that also keeps the next lower class away (Tao et al., ICML 2023)."""

from __future__ import annotations

from calibench import MethodSpec, Objective, Param
from calibench.lazy import torch
from calibench.stages import Batch
from calibench_methods.objectives.focal import positive_complement
from calibench_methods.objectives.log_probability import label_log_probs

SPEC = MethodSpec(
    name="dual-focal",
    kind="objective",
    target=f"{__name__}:DualFocal",
    summary="Dual focal loss: focal loss whose weight also depends on the class ranked just below the label.",
    params=(
        Param(
            "gamma",
            "float",
            5.0,
            "focusing strength; the authors choose it for each network (5 is common on CIFAR-10)",
            minimum=0,
        ),
    ),
    equation="loss = -(1 - p_y + p_j)^gamma log p_y, p_j = the largest probability below p_y, or 0 if there is none",
    paper="L. Tao, M. Dong, C. Xu, Dual Focal Loss for Calibration, ICML 2023 (arXiv 2305.13665)",
    deviations=(
        "the mean over the batch; the authors' class defaults to the sum",
        "one gamma for all networks; the authors choose it on validation data",
    ),
    use_when="ce is over-confident on the judged rows and focal under-confident: this loss often lies between them",
    avoid_when="training is short: on digits, confidences are 8 points too low after 60 epochs, and right after 1 000",
    cost="that of ce",
)


class DualFocal(Objective):
    """`-(1 - p_y + p_j)^gamma log p_y`, mean over the batch; the gradient flows through p_j too."""

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        log_p = label_log_probs(logits, batch.y)
        probs = logits.softmax(dim=1)
        below = probs < probs.gather(1, batch.y[:, None])
        next_lower = torch.where(below, probs, torch.zeros_like(probs)).amax(dim=1)
        return -((positive_complement(log_p) + next_lower) ** self.gamma * log_p).mean()
