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
        Param("weight", "float", 0.1, "weight of the penalty, lambda (the authors: 0.1)", minimum=0),
    ),
    equation="loss = -log p_y + weight mean_k max(0, max_j l_j - l_k - margin)",
    paper=(
        "B. Liu et al., The Devil is in the Margin: Margin-based Label Smoothing for Network Calibration, CVPR 2022 "
        "(arXiv 2111.15430)"
    ),
    deviations=(
        "the paper writes the sum over classes; as in the authors' code (by-liu/MbLS, logit_margin_l1.py), for which the weight "
        "of 0.1 is meant, it is their mean here, 1/K of the sum",
    ),
    use_when="labels are clean and a network is over-confident because its logits drift far apart",
    avoid_when="labels are wrong, or training is too short for logits to lie more than the margin apart: then it is `ce`",
    cost="as `ce`",
)


class MarginLabelSmoothing(Objective):
    """`CE + weight mean_k max(0, max_j l_j - l_k - margin)` for logits l, mean over the batch."""

    def __init__(self, margin: float, weight: float) -> None:
        self.margin = margin
        self.weight = weight

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar; the cross-entropy in nats, the penalty in units of logits."""
        distances = logits.amax(dim=1, keepdim=True) - logits
        penalty = functional.relu(distances - self.margin).mean()
        return functional.cross_entropy(logits, batch.y) + self.weight * penalty
