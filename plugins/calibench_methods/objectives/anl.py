"""`anl`: active negative loss, ANL-CE (Ye et al., NeurIPS 2023)."""

from __future__ import annotations

import math

from calibench import MethodSpec, Objective, Param
from calibench.lazy import nn, torch
from calibench.stages import Batch
from calibench_methods.objectives.log_probability import normalized_cross_entropy

SPEC = MethodSpec(
    name="anl",
    kind="objective",
    target=f"{__name__}:ActiveNegativeLoss",
    summary="Active negative loss (ANL-CE): normalised cross-entropy plus its mirror image, with an L1 norm of the weights.",
    params=(
        Param(
            "alpha", "float", 5.0, "weight of the active loss, NCE (the authors for CIFAR-10: 5, MNIST: 1)", minimum=0
        ),
        Param(
            "beta", "float", 5.0, "weight of the negative loss, NNCE (the authors for CIFAR-10: 5, MNIST: 1)", minimum=0
        ),
        Param(
            "l1", "float", 5e-5, "weight of the L1 norm, delta (the authors for CIFAR-10: 5e-5, MNIST: 1e-6)", minimum=0
        ),
        Param("min_prob", "float", 1e-7, "least probability in NNCE; A = -log of it", minimum=1e-30, maximum=1e-2),
    ),
    equation=(
        "loss = alpha log p_y / sum_k log p_k + beta (1 - (A + log p_y) / sum_k (A + log p_k)) + l1 |weights|_1, "
        "A = -log min_prob"
    ),
    paper=(
        "X. Ye et al., Active Negative Loss Functions for Learning with Noisy Labels, NeurIPS 2023; "
        "code: Virusdoll/Active-Negative-Loss"
    ),
    deviations=(
        "the L1 norm is of all weights that are trained, as in the authors' code; their weight decay is 0, which is the default "
        "here too, and their clipping of gradients to a norm of 5 is a setting of the training (clip_norm)",
    ),
    use_when="labels are wrong at a rate that nobody knows, and accuracy matters more than calibration",
    avoid_when="a network is much larger or smaller than the authors' and `l1` is kept: the norm grows with the number of weights",
    cost="as `ce`, and one sum over all weights a step",
)


class ActiveNegativeLoss(Objective):
    """`alpha NCE + beta NNCE + l1 |w|_1`; NNCE is the normalised loss of the complement of the label.

    `NNCE = 1 - (A + log p_y) / sum_k (A + log p_k)`, where log p_k counts as -A where it is less.
    """

    splits = True  # the norm of the weights is the same for each part of a batch

    def __init__(self, alpha: float, beta: float, l1: float, min_prob: float) -> None:
        self.alpha = alpha
        self.beta = beta
        self.l1 = l1
        self.bound = -math.log(min_prob)

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar without unit, without the norm of the weights."""
        active = normalized_cross_entropy(logits, batch.y)
        above = self.bound + logits.log_softmax(dim=1).clamp_min(-self.bound)
        negative = 1 - above.gather(1, batch.y[:, None]).squeeze(1) / above.sum(dim=1)
        return (self.alpha * active + self.beta * negative).mean()

    def step(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """The loss of the batch plus the weighted L1 norm of the network's trained weights, a scalar."""
        loss = self.loss(network(batch.x), batch)
        if self.l1 == 0:
            return loss
        return loss + self.l1 * sum(p.abs().sum() for p in network.parameters() if p.requires_grad)
