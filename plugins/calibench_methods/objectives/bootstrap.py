"""`bootstrap`: the label mixed with the network's own belief (Reed et al., ICLR 2015 workshop)."""

import torch
from torch.nn import functional

from calibench import Objective
from calibench.stages import Batch

PAPER_BETA = {"soft": 0.95, "hard": 0.8}


class Bootstrap(Objective):
    """`-sum_k (beta onehot(y)_k + (1 - beta) z_k) log p_k`, mean over the batch.

    soft: z = p, with a gradient through both; hard: z is one-hot at the argmax of p, the lowest index among equals.
    """

    def __init__(self, mode: str, beta: float | None) -> None:
        self.mode = mode
        self.beta = PAPER_BETA[mode] if beta is None else beta

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        log_p = logits.log_softmax(dim=1)
        if self.mode == "soft":
            belief = -(log_p.exp() * log_p).sum(dim=1).mean()
        else:
            belief = functional.nll_loss(log_p, logits.argmax(dim=1))
        return self.beta * functional.nll_loss(log_p, batch.y) + (1 - self.beta) * belief
