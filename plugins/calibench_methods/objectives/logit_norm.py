"""`logit-norm`: cross-entropy of logits scaled to a constant norm (Wei et al., ICML 2022)."""

from __future__ import annotations

from calibench import MethodSpec, Objective, Param
from calibench.lazy import functional, torch
from calibench.stages import Batch

SMALLEST_NORM = 1e-7
"""A row of logits with a smaller norm is divided by this."""

SPEC = MethodSpec(
    name="logit-norm",
    kind="objective",
    target=f"{__name__}:LogitNorm",
    summary="Logit normalisation: cross-entropy of logits scaled to a constant norm; add +temperature after it.",
    params=(Param("tau", "float", 0.04, "temperature of the normalised logits (the paper: 0.04)", minimum=1e-4),),
    equation="loss = -log softmax(l / (tau |l|_2))[y]; predictions use l itself",
    use_when="confidences must tell OOD rows from others, and a temperature follows",
    avoid_when="no temperature follows: the loss ignores the norm of the logits, so raw confidences mean little",
    cost="as ce",
    paper="H. Wei et al., Mitigating Neural Network Overconfidence with Logit Normalization, ICML 2022 (arXiv 2205.09310)",
    deviations=(
        "none: as in the paper, predictions use the logits with their norm, so confidences need temperature scaling",
    ),
)


class LogitNorm(Objective):
    """`-log softmax(l / (tau |l|_2))[y]` for logits l, mean over the batch."""

    def __init__(self, tau: float) -> None:
        self.tau = tau

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        return functional.cross_entropy(functional.normalize(logits, dim=1, eps=SMALLEST_NORM) / self.tau, batch.y)
