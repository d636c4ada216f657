"""`flsd53`: focal loss whose gamma depends on the sample's probability (Mukhoti et al., NeurIPS 2020)."""

from __future__ import annotations

from calibench import MethodSpec, Objective
from calibench.lazy import torch
from calibench.stages import Batch
from calibench_methods.objectives.focal import focal_loss
from calibench_methods.objectives.log_probability import label_log_probs

SWITCH_PROBABILITY = 0.2
GAMMA_BELOW, GAMMA_ABOVE = 5.0, 3.0

SPEC = MethodSpec(
    name="flsd53",
    kind="objective",
    target=f"{__name__}:SampleDependentFocal",
    summary="Sample-dependent focal loss: gamma is 5 for samples with p_y < 0.2 and 3 for the others.",
    equation="loss = -(1 - p_y)^gamma log p_y, gamma = 5 where p_y < 0.2, else 3",
    use_when="labels are clean and a large network is over-confident, as ResNets and DenseNets in Mukhoti et al",
    avoid_when="labels are wrong, or training is short: it is under-confident until late (digits, 60 epochs: ECE15 5.4 %)",
    cost="as ce",
    paper="J. Mukhoti et al., Calibrating Deep Neural Networks using Focal Loss, NeurIPS 2020 (arXiv 2002.09437)",
)


class SampleDependentFocal(Objective):
    """`-(1 - p_y)^gamma log p_y`, mean over the batch; gamma is 5 where p_y < 0.2, else 3, and carries no gradient."""

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        log_p = label_log_probs(logits, batch.y)
        gamma = torch.full_like(log_p, GAMMA_ABOVE).masked_fill(log_p.detach().exp() < SWITCH_PROBABILITY, GAMMA_BELOW)
        return focal_loss(log_p, gamma).mean()
