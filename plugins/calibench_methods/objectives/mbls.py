"""`mbls`: margin-based label smoothing (Liu et al., CVPR 2022)."""

import torch
from torch.nn import functional

from calibench import Objective
from calibench.stages import Batch


class MarginLabelSmoothing(Objective):
    """`CE + weight sum_k max(0, max_j l_j - l_k - margin)` of the logits l, mean over the batch."""

    def __init__(self, margin: float, weight: float) -> None:
        self.margin = margin
        self.weight = weight

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar; the cross-entropy in nats, the penalty in units of logits."""
        distances = logits.amax(dim=1, keepdim=True) - logits
        penalty = functional.relu(distances - self.margin).sum(dim=1).mean()
        return functional.cross_entropy(logits, batch.y) + self.weight * penalty
