"""`bce`: binary cross-entropy, one sigmoid a class or a label."""

import torch
from torch.nn import functional

from calibench import Objective
from calibench.stages import Batch


class BinaryCrossEntropy(Objective):
    """`-sum over k of (t_k ln s_k + (1 - t_k) ln(1 - s_k))`, s_k = sigmoid(x_k), mean over the batch.

    t_k is `[k = y]` of one class a row, and label k of several labels a row.
    """

    one_vs_rest = True
    multi_label = True

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        y = functional.one_hot(batch.y, logits.shape[1]) if batch.y.ndim == 1 else batch.y
        targets = y.to(logits)
        return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(dim=1).mean()
