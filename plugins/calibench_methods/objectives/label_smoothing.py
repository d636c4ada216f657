"""`label-smoothing`: targets mixed with the uniform distribution (Szegedy et al., CVPR 2016)."""

from __future__ import annotations

from calibench import MethodSpec, Objective, Param
from calibench.lazy import functional, torch
from calibench.stages import Batch

SPEC = MethodSpec(
    name="label-smoothing",
    kind="objective",
    target=f"{__name__}:LabelSmoothing",
    summary="Label smoothing: cross-entropy with targets mixed with the uniform distribution.",
    params=(
        Param("epsilon", "float", 0.1, "weight of the uniform distribution (the paper: 0.1)", minimum=0, maximum=1),
    ),
    equation="loss = -sum_k ((1 - e) onehot(y)_k + e/K) log p_k",
    use_when="labels are clean, accuracy is the aim, and a temperature follows",
    avoid_when=(
        "its own confidences are used, or rank rows for abstention: all become too low (digits: ECE15 12 %, ce 1.5 %)"
    ),
    cost="as ce",
    paper="C. Szegedy et al., Rethinking the Inception Architecture for Computer Vision, CVPR 2016 (arXiv 1512.00567)",
)


class LabelSmoothing(Objective):
    """`-sum_k ((1 - e) onehot(y)_k + e / K) log p_k`, mean over the batch."""

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        return functional.cross_entropy(logits, batch.y, label_smoothing=self.epsilon)
