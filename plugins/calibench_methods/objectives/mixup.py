"""`mixup`: training on lines between samples (Zhang et al., ICLR 2018)."""

import torch
from torch import nn
from torch.distributions import Beta
from torch.nn import functional

from calibench import Objective
from calibench.stages import Batch


class Mixup(Objective):
    """`m CE(f(x'), y) + (1 - m) CE(f(x'), y2)` at `x' = m x + (1 - m) x2`, mean over the batch.

    One m ~ Beta(alpha, alpha) a step; (x2, y2) is the batch in another order. alpha = 0 mixes nothing: cross-entropy.
    """

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The cross-entropy of unmixed inputs, a scalar in nats."""
        return functional.cross_entropy(logits, batch.y)

    def step(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """A scalar, in nats; draws from torch's global generator."""
        if self.alpha == 0:
            return self.loss(network(batch.x), batch)
        share = float(Beta(*torch.tensor([self.alpha, self.alpha], dtype=torch.float64)).sample())
        other = torch.randperm(len(batch.y)).to(batch.y.device)
        logits = network(share * batch.x + (1 - share) * batch.x[other])
        return share * self.loss(logits, batch) + (1 - share) * functional.cross_entropy(logits, batch.y[other])
