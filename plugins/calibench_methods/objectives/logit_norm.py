"""`logit-norm`: cross-entropy of logits on a sphere (Wei et al., ICML 2022)."""

import torch
from torch.nn import functional

from calibench import Objective
from calibench.stages import Batch

SMALLEST_NORM = 1e-7
"""Below it a row of logits is divided by this in place of its norm."""


class LogitNorm(Objective):
    """`-log softmax(l / (tau |l|_2))[y]` of the logits l, mean over the batch."""

    def __init__(self, tau: float) -> None:
        self.tau = tau

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        return functional.cross_entropy(functional.normalize(logits, dim=1, eps=SMALLEST_NORM) / self.tau, batch.y)
