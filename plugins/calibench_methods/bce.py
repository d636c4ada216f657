"""`bce`: binary cross-entropy, one sigmoid a class."""

import torch
from torch.nn import functional

from calibench import Objective
from calibench.stages import Batch


class BinaryCrossEntropy(Objective):
    """`-sum over k of ([k = y] ln s_k + [k != y] ln(1 - s_k))`, s_k = sigmoid(x_k), mean over the batch."""

    one_vs_rest = True

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        targets = functional.one_hot(batch.y, logits.shape[1]).to(logits)
        return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(dim=1).mean()
