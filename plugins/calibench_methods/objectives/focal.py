"""`focal`: easy samples count less (Lin et al., ICCV 2017; for calibration Mukhoti et al., NeurIPS 2020)."""

import torch

from calibench import Objective
from calibench.stages import Batch
from calibench_methods.objectives.log_probability import of_labels


def modulated(log_p: torch.Tensor, gamma: float | torch.Tensor) -> torch.Tensor:
    """`-(1 - p)^gamma log p`, `[n]`, for gamma >= 0; finite with its gradient from p = 0 to p = 1.

    At p = 1 a gamma below 1 has an infinite slope times a loss of 0: 1 - p is kept at the smallest normal number.
    """
    return -((-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny) ** gamma) * log_p


class Focal(Objective):
    """`-(1 - p_y)^gamma log p_y`, mean over the batch."""

    def __init__(self, gamma: float) -> None:
        self.gamma = gamma

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        return modulated(of_labels(logits, batch.y), self.gamma).mean()
