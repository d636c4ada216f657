"""`gce`: generalised cross-entropy (Zhang and Sabuncu, NeurIPS 2018)."""

import torch

from calibench import Objective
from calibench.stages import Batch
from calibench_methods.objectives.log_probability import of_labels


class GeneralizedCrossEntropy(Objective):
    """`(1 - p_y^q) / q`, mean over the batch; q = 0 is its limit, cross-entropy, and q = 1 the mean absolute error."""

    def __init__(self, q: float) -> None:
        self.q = q

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar; as `-expm1(q log p_y) / q`, whose gradient is finite where p_y underflows to 0."""
        log_p = of_labels(logits, batch.y)
        return -(log_p if self.q == 0 else torch.expm1(self.q * log_p) / self.q).mean()
