"""`mbls`: margin-based label smoothing (Liu et al., CVPR 2022)."""

from __future__ import annotations

from calibench import MethodSpec, Objective, Param
from calibench.lazy import functional, torch
from calibench.stages import Batch

SPEC = MethodSpec(
    name="mbls",
    kind="objective",
    target=f"{__name__}:MarginLabelSmoothing",
    summary="Margin-based label smoothing: penalises logits that lie more than a margin below the largest.",
    params=(
        Param(
            "margin",
            "float",
            10.0,
            "distance to the largest logit without a penalty (the paper: 10)",
            "logits",
            minimum=0,
        ),
        Param("weight", "float", 0.1, "weight of the penalty, lambda (the paper: 0.1)", minimum=0),
    ),
    equation="loss = -log p_y + weight sum_k max(0, max_j l_j - l_k - margin)",
    use_when="a long training on clean labels drives logits far apart: it acts beyond the margin alone",
    avoid_when="training is short: few logits lie more than 10 apart, so it equals ce (CIFAR-10 features, 10 epochs)",
    cost="as ce",
    paper=(
        "B. Liu et al., The Devil is in the Margin: Margin-based Label Smoothing for Network Calibration, CVPR 2022 "
        "(arXiv 2111.15430)"
    ),
)


class MarginLabelSmoothing(Objective):
    """`CE + weight sum_k max(0, max_j l_j - l_k - margin)` for logits l, mean over the batch."""

    def __init__(self, margin: float, weight: float) -> None:
        self.margin = margin
        self.weight = weight

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar; the cross-entropy in nats, the penalty in units of logits."""
        distances = logits.amax(dim=1, keepdim=True) - logits
        penalty = functional.relu(distances - self.margin).sum(dim=1).mean()
        return functional.cross_entropy(logits, batch.y) + self.weight * penalty
