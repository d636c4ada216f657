"""`nce-rce`: active passive loss, normalised plus reverse cross-entropy (Ma et al., ICML 2020)."""

from __future__ import annotations

from calibench import MethodSpec, Objective, Param
from calibench.lazy import torch
from calibench.stages import Batch
from calibench_methods.objectives.log_probability import (
    label_log_probs,
    normalized_cross_entropy,
    reverse_cross_entropy,
)
from calibench_methods.objectives.parameters import LOG_ZERO, LOG_ZERO_DEVIATION

SPEC = MethodSpec(
    name="nce-rce",
    kind="objective",
    target=f"{__name__}:NormalizedReverseCrossEntropy",
    summary="Active passive loss: normalised cross-entropy plus reverse cross-entropy; both are robust to label noise.",
    params=(
        Param(
            "alpha",
            "float",
            1.0,
            "weight of the active loss, NCE (the authors for CIFAR-10: 1, CIFAR-100: 10)",
            minimum=0,
        ),
        Param(
            "beta",
            "float",
            1.0,
            "weight of the passive loss, RCE (the authors for CIFAR-10: 1, CIFAR-100: 0.1)",
            minimum=0,
        ),
        LOG_ZERO,
    ),
    equation="loss = alpha log p_y / sum_k log p_k - beta A (1 - p_y), A for log 0",
    paper=(
        "X. Ma et al., Normalized Loss Functions for Deep Learning with Noisy Labels, ICML 2020 (arXiv 2006.13554); "
        "code: HanxunH/Active-Passive-Losses"
    ),
    deviations=(
        LOG_ZERO_DEVIATION,
        "the authors clip gradients to a norm of 5 and decay weights by 1e-4 under SGD; here those are settings of the training "
        "(clip_norm, weight_decay, optimizer)",
        "the authors' weights for MNIST are 1 and 10; the defaults are those for CIFAR-10",
    ),
    use_when="labels are wrong at a rate that nobody knows, and accuracy matters more than calibration",
    avoid_when="probabilities are used as they come: the loss pushes p_y to 1, so the network is over-confident. Add +temperature",
    cost="as `ce`",
)


class NormalizedReverseCrossEntropy(Objective):
    """`alpha NCE + beta RCE`, mean over the batch; `NCE = log p_y / sum_k log p_k` and `RCE = -A (1 - p_y)`."""

    def __init__(self, alpha: float, beta: float, log_zero: float) -> None:
        self.alpha = alpha
        self.beta = beta
        self.log_zero = log_zero

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar: the active loss has no unit, the passive one is in nats."""
        active = normalized_cross_entropy(logits, batch.y)
        passive = reverse_cross_entropy(label_log_probs(logits, batch.y), self.log_zero)
        return (self.alpha * active + self.beta * passive).mean()
