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
    paper="C. Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.4 (multiclass logistic regression)",
    use_when="labels are clean, and as the baseline: every other method is measured against it",
    avoid_when="a large network trains to the end on wrong labels: it memorises them (MNIST, 30 % wrong: ECE15 20 %)",
    cost="one forward and one backward pass a step; the unit in which other methods are priced",
)


class CrossEntropy(Objective):
    """`-log softmax(logits)[y]`, mean over the batch."""

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        return functional.cross_entropy(logits, batch.y)
