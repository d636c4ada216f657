"""`flsd53`: focal loss with a gamma that each sample's probability picks (Mukhoti et al., NeurIPS 2020)."""

from __future__ import annotations

from calibench import MethodSpec, Objective
from calibench.lazy import torch
from calibench.stages import Batch
from calibench_methods.objectives.focal import modulated
from calibench_methods.objectives.log_probability import of_labels

UNSURE = 0.2
GAMMA_UNSURE, GAMMA_SURE = 5.0, 3.0


SPEC = MethodSpec(
    name="flsd53",
    kind="objective",
    target=f"{__name__}:SampleDependentFocal",
    summary="Sample-dependent focal loss: gamma 5 for samples below 0.2, 3 for the others.",
    equation="loss = -(1 - p_y)^gamma log p_y, gamma = 5 where p_y < 0.2, else 3",
    paper="J. Mukhoti et al., Calibrating Deep Neural Networks using Focal Loss, NeurIPS 2020 (arXiv 2002.09437)",
)


class SampleDependentFocal(Objective):
    """`-(1 - p_y)^gamma log p_y`, mean over the batch; gamma is 5 where p_y < 0.2, else 3, and no gradient flows through it."""

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        log_p = of_labels(logits, batch.y)
        gamma = torch.full_like(log_p, GAMMA_SURE).masked_fill(log_p.detach().exp() < UNSURE, GAMMA_UNSURE)
        return modulated(log_p, gamma).mean()
