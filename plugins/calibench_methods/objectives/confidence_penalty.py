"""`confidence-penalty`: a reward for entropy (Pereyra et al., ICLR 2017 workshop)."""

import torch
from torch.nn import functional

from calibench import Objective
from calibench.stages import Batch


class ConfidencePenalty(Objective):
    """`-log p_y - beta H(p)`, mean over the batch, with the entropy `H(p) = -sum_k p_k log p_k`."""

    def __init__(self, beta: float) -> None:
        self.beta = beta

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        log_p = logits.log_softmax(dim=1)
        negative_entropy = (log_p.exp() * log_p).sum(dim=1).mean()
        return functional.nll_loss(log_p, batch.y) + self.beta * negative_entropy
