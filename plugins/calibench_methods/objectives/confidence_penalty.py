"""`confidence-penalty`: cross-entropy that rewards the entropy of the prediction (Pereyra et al., ICLR 2017 workshop)."""

from __future__ import annotations

from calibench import MethodSpec, Objective, Param
from calibench.lazy import functional, torch
from calibench.stages import Batch

SPEC = MethodSpec(
    name="confidence-penalty",
    kind="objective",
    target=f"{__name__}:ConfidencePenalty",
    summary="Confidence penalty: cross-entropy minus the weighted entropy of the prediction.",
    params=(Param("beta", "float", 0.1, "weight of the entropy (the paper: 0.1 for CIFAR-10)", minimum=0),),
    equation="loss = -log p_y - beta H(p), H(p) = -sum_k p_k log p_k",
    use_when="labels are clean and a long training ends too sure of itself",
    avoid_when=(
        "labels are wrong or the network is cautious already: every confidence falls (MNIST, 30 % wrong: ECE15 24 %, "
        "ce 20 %)"
    ),
    cost="as ce",
    paper=(
        "G. Pereyra et al., Regularizing Neural Networks by Penalizing Confident Output Distributions, ICLR 2017 workshop "
        "(arXiv 1701.06548)"
    ),
)


class ConfidencePenalty(Objective):
    """`-log p_y - beta H(p)`, mean over the batch, with the entropy `H(p) = -sum_k p_k log p_k`."""

    def __init__(self, beta: float) -> None:
        self.beta = beta

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        log_p = logits.log_softmax(dim=1)
        negative_entropy = (log_p.exp() * log_p).sum(dim=1).mean()
        return functional.nll_loss(log_p, batch.y) + self.beta * negative_entropy
