"""`focal`: the loss of easy samples counts less (Lin et al., ICCV 2017; for calibration Mukhoti et al., NeurIPS 2020)."""

from __future__ import annotations

from calibench import MethodSpec, Objective, Param
from calibench.lazy import torch
from calibench.stages import Batch
from calibench_methods.objectives.log_probability import label_log_probs

SPEC = MethodSpec(
    name="focal",
    kind="objective",
    target=f"{__name__}:Focal",
    summary="Focal loss: cross-entropy in which easy samples count less.",
    params=(
        Param("gamma", "float", 3.0, "focusing strength (Mukhoti et al.: 3; Lin et al., for detection: 2)", minimum=0),
    ),
    equation="loss = -(1 - p_y)^gamma log p_y",
    use_when="labels are clean and a large network is over-confident; gamma sets how far its confidence falls",
    avoid_when="the network is small or labels are wrong: it becomes under-confident (digits: ECE15 5.3 %, ce 1.5 %)",
    cost="as ce",
    paper=(
        "T.-Y. Lin et al., Focal Loss for Dense Object Detection, ICCV 2017 (arXiv 1708.02002); J. Mukhoti et al., "
        "Calibrating Deep Neural Networks using Focal Loss, NeurIPS 2020 (arXiv 2002.09437)"
    ),
    deviations=("Lin's class weights are left out",),
)


class Focal(Objective):
    """`-(1 - p_y)^gamma log p_y`, mean over the batch."""

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        return focal_loss(label_log_probs(logits, batch.y), self.gamma).mean()


def focal_loss(log_p: torch.Tensor, gamma: float | torch.Tensor) -> torch.Tensor:
    """`-(1 - p)^gamma log p`, `[n]`, for gamma >= 0; the value and its gradient are finite from p = 0 to p = 1."""
    return -(positive_complement(log_p) ** gamma) * log_p


def positive_complement(log_p: torch.Tensor) -> torch.Tensor:
    """`1 - p`, at least the smallest normal number: at p = 1 a power below 1 has an infinite slope, and times 0 that is NaN."""
    return (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny)
