"""`focal`: easy samples count less (Lin et al., ICCV 2017; for calibration Mukhoti et al., NeurIPS 2020)."""

from __future__ import annotations

from calibench import MethodSpec, Objective, Param
from calibench.lazy import torch
from calibench.stages import Batch
from calibench_methods.objectives.log_probability import of_labels


def modulated(log_p: torch.Tensor, gamma: float | torch.Tensor) -> torch.Tensor:
    """`-(1 - p)^gamma log p`, `[n]`, for gamma >= 0; finite with its gradient from p = 0 to p = 1.

    At p = 1 a gamma below 1 has an infinite slope times a loss of 0: 1 - p is kept at the smallest normal number.
    """
    return -((-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny) ** gamma) * log_p


SPEC = MethodSpec(
    name="focal",
    kind="objective",
    target=f"{__name__}:Focal",
    summary="Focal loss: samples that are nearly right count less.",
    params=(Param("gamma", "float", 3.0, "strength (Mukhoti et al.: 3; Lin et al., for detection: 2)", minimum=0),),
    equation="loss = -(1 - p_y)^gamma log p_y",
    paper=(
        "T.-Y. Lin et al., Focal Loss for Dense Object Detection, ICCV 2017 (arXiv 1708.02002); J. Mukhoti et al., "
        "Calibrating Deep Neural Networks using Focal Loss, NeurIPS 2020 (arXiv 2002.09437)"
    ),
    deviations=("without Lin's class weights",),
)


class Focal(Objective):
    """`-(1 - p_y)^gamma log p_y`, mean over the batch."""

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        return modulated(of_labels(logits, batch.y), self.gamma).mean()
