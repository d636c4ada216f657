"""`ce`: cross-entropy."""

from __future__ import annotations

from calibench import MethodSpec, Objective
from calibench.lazy import functional, torch
from calibench.stages import Batch

SPEC = MethodSpec(
    name="ce",
    kind="objective",
    target=f"{__name__}:CrossEntropy",
    summary="Cross-entropy: the maximum-likelihood baseline.",
    default=True,
    equation="loss = -log softmax(logits)[y]",
)


class CrossEntropy(Objective):
    """`-log softmax(logits)[y]`, mean over the batch."""

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        return functional.cross_entropy(logits, batch.y)
