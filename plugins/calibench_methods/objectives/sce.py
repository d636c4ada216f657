"""`sce`: symmetric cross-entropy (Wang et al., ICCV 2019)."""

from __future__ import annotations

from calibench import MethodSpec, Objective, Param
from calibench.lazy import torch
from calibench.stages import Batch
from calibench_methods.objectives.log_probability import label_log_probs, reverse_cross_entropy
from calibench_methods.objectives.parameters import LOG_ZERO, LOG_ZERO_DEVIATION

SPEC = MethodSpec(
    name="sce",
    kind="objective",
    target=f"{__name__}:SymmetricCrossEntropy",
    summary="Symmetric cross-entropy: cross-entropy plus reverse cross-entropy, which is robust to label noise.",
    params=(
        Param("alpha", "float", 0.1, "weight of the cross-entropy (the paper: 0.1 for CIFAR-10)", minimum=0),
        Param("beta", "float", 1.0, "weight of the reverse cross-entropy (the paper: 1 for CIFAR-10)", minimum=0),
        LOG_ZERO,
    ),
    equation="loss = -alpha log p_y - beta A (1 - p_y); the second term is -sum_k p_k log onehot(y)_k with log 0 = A",
    use_when="labels are wrong and neither their rate nor a matrix is known; alpha and beta trade fit for robustness",
    avoid_when="the rate or the matrix is known: noise-ce and forward use it",
    cost="as ce",
    paper="Y. Wang et al., Symmetric Cross Entropy for Robust Learning with Noisy Labels, ICCV 2019 (arXiv 1908.06112)",
    deviations=(LOG_ZERO_DEVIATION,),
)


class SymmetricCrossEntropy(Objective):
    """`alpha CE + beta RCE`, mean over the batch.

    The reverse cross-entropy `-sum_k p_k log onehot(y)_k` is `-A (1 - p_y)`, with A for log 0.
    """

    def __init__(self, alpha: float, beta: float, log_zero: float) -> None:
        self.alpha = alpha
        self.beta = beta
        self.log_zero = log_zero

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        log_p = label_log_probs(logits, batch.y)
        return (self.beta * reverse_cross_entropy(log_p, self.log_zero) - self.alpha * log_p).mean()
