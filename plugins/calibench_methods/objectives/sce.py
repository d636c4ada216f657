"""`sce`: symmetric cross-entropy (Wang et al., ICCV 2019)."""

import torch

from calibench import Objective
from calibench.stages import Batch
from calibench_methods.objectives.log_probability import of_labels


class SymmetricCrossEntropy(Objective):
    """`alpha CE + beta RCE`, mean over the batch.

    The reverse cross-entropy `-sum_k p_k log onehot(y)_k`, with A in place of log 0, is `-A (1 - p_y)`.
    """

    def __init__(self, alpha: float, beta: float, log_zero: float) -> None:
        self.alpha = alpha
        self.beta = beta
        self.log_zero = log_zero

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats; 1 - p_y is `-expm1(log p_y)`, exact near 0."""
        log_p = of_labels(logits, batch.y)
        return (self.beta * self.log_zero * torch.expm1(log_p) - self.alpha * log_p).mean()
