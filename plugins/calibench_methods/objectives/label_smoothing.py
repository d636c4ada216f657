"""`label-smoothing`: targets mixed with the uniform distribution (Szegedy et al., CVPR 2016)."""

import torch
from torch.nn import functional

from calibench import Objective
from calibench.stages import Batch


class LabelSmoothing(Objective):
    """`-sum_k ((1 - e) onehot(y)_k + e / K) log p_k`, mean over the batch."""

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        return functional.cross_entropy(logits, batch.y, label_smoothing=self.epsilon)
