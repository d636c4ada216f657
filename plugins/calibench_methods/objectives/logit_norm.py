"""`logit-norm`: cross-entropy of logits on a sphere (Wei et al., ICML 2022)."""

from __future__ import annotations

from calibench import MethodSpec, Objective, Param
from calibench.lazy import functional, torch
from calibench.stages import Batch

SMALLEST_NORM = 1e-7
"""Below it a row of logits is divided by this in place of its norm."""


SPEC = MethodSpec(
    name="logit-norm",
    kind="objective",
    target=f"{__name__}:LogitNorm",
    summary="Logit normalisation: cross-entropy of logits of constant norm; put +temperature after it.",
    params=(Param("tau", "float", 0.04, "temperature of the normalised logits (the paper: 0.04)", minimum=1e-4),),
    equation="loss = -log softmax(l / (tau |l|_2))[y]; predictions use l itself",
    paper="H. Wei et al., Mitigating Neural Network Overconfidence with Logit Normalization, ICML 2022 (arXiv 2205.09310)",
    deviations=(
        "none: as in the paper the norm is left free and predictions use it, so confidences need a temperature",
    ),
)


class LogitNorm(Objective):
    """`-log softmax(l / (tau |l|_2))[y]` of the logits l, mean over the batch."""

    def __init__(self, tau: float) -> None:
        self.tau = tau

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        return functional.cross_entropy(functional.normalize(logits, dim=1, eps=SMALLEST_NORM) / self.tau, batch.y)
