"""`ce`: cross-entropy."""

import torch
from torch.nn import functional

from calibench import Objective
from calibench.stages import Batch


class CrossEntropy(Objective):
    """`-log softmax(logits)[y]`, mean over the batch."""

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        return functional.cross_entropy(logits, batch.y)
