"""`agce`: asymmetric generalised cross-entropy (Zhou et al., ICML 2021)."""

from __future__ import annotations

import math

from calibench import MethodSpec, Objective, Param
from calibench.lazy import torch
from calibench.stages import Batch
from calibench_methods.objectives.log_probability import label_log_probs

SPEC = MethodSpec(
    name="agce",
    kind="objective",
    target=f"{__name__}:AsymmetricGeneralizedCrossEntropy",
    summary="Asymmetric generalised cross-entropy: the likeliest label wins, even if others of the row are wrong.",
    params=(
        Param("a", "float", 0.6, "shift (the authors for CIFAR-10 and CIFAR-100: 0.6, MNIST: 4); 0 is gce", minimum=0),
        Param("q", "float", 0.6, "shape (the authors for CIFAR-10 and CIFAR-100: 0.6, MNIST: 0.2)", minimum=1e-3),
    ),
    equation="loss = ((a + 1)^q - (a + p_y)^q) / q",
    paper=(
        "X. Zhou et al., Asymmetric Loss Functions for Learning with Noisy Labels, ICML 2021 (arXiv 2106.03110); "
        "code: hitcszx/ALFs"
    ),
    deviations=("the combination with normalised cross-entropy (NCE+AGCE) is left out",),
    use_when="labels are wrong at a rate that nobody knows, and the right label is the most frequent one among alike rows",
    avoid_when="probabilities are used as they come: the loss pushes p_y to 1, so the network is over-confident. Add +temperature",
    cost="as `ce`",
)


class AsymmetricGeneralizedCrossEntropy(Objective):
    """`((a + 1)^q - (a + p_y)^q) / q`, mean over the batch; a = 0 is `gce` of the same q, and q = 1 is `1 - p_y`."""

    def __init__(self, a: float, q: float) -> None:
        self.a = a
        self.q = q

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar; (a + p_y) / (a + 1) is kept as a logarithm, so that the gradient is finite where p_y underflows to 0."""
        log_p = label_log_probs(logits, batch.y)
        log_a = math.log(self.a) if self.a else -math.inf
        log_share = torch.logaddexp(log_p, log_p.new_tensor(log_a)) - math.log1p(self.a)
        losses: torch.Tensor = -((1 + self.a) ** self.q) / self.q * torch.expm1(self.q * log_share)
        return losses.mean()
