"""`acls`: adaptive and conditional label smoothing (Park et al., ICCV 2023)."""

from __future__ import annotations

from calibench import MethodSpec, Objective, Param
from calibench.lazy import functional, torch
from calibench.stages import Batch

SPEC = MethodSpec(
    name="acls",
    kind="objective",
    target=f"{__name__}:AdaptiveConditional",
    summary="ACLS: a squared penalty on the largest logit and on logits far below it, each beyond a margin.",
    params=(
        Param("alpha", "float", 0.1, "weight of both penalties (the authors: 0.1)", minimum=0),
        Param("pos_lambda", "float", 1.0, "share of the largest logit's penalty (the authors: 1)", minimum=0),
        Param("neg_lambda", "float", 0.1, "share of the other logits' penalty (the authors: 0.1)", minimum=0),
        Param("margin", "float", 10.0, "size without a penalty (the authors: 10)", "logits", minimum=0),
    ),
    equation=(
        "loss = -log p_y + alpha (pos_lambda max(0, l_m - margin)^2 "
        "+ neg_lambda mean over k != m of max(0, l_m - l_k - margin)^2), m = argmax_k l_k"
    ),
    paper=(
        "H. Park et al., ACLS: Adaptive and Conditional Label Smoothing for Network Calibration, ICCV 2023 "
        "(arXiv 2308.11911)"
    ),
    deviations=(
        "none known: the penalties, their gradients (none flows through l_m into the second) and the defaults are those of "
        "the authors' code (cvlab-yonsei/ACLS); it differs from the paper's equations, which smooth targets, in form",
    ),
    use_when="mbls is in question: this one also bounds the largest logit itself, and smooths more the further it is out",
    avoid_when="logits stay below the margin, as in a short training: it is then ce",
    cost="that of ce",
)


class AdaptiveConditional(Objective):
    """`CE + alpha (pos_lambda relu(l_m - margin)^2 + neg_lambda mean_{k != m} relu(l_m - l_k - margin)^2)`, mean over rows."""

    def __init__(self, alpha: float, pos_lambda: float, neg_lambda: float, margin: float) -> None:
        self.alpha, self.pos_lambda, self.neg_lambda, self.margin = alpha, pos_lambda, neg_lambda, margin

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar; the cross-entropy in nats, the penalties in squared units of logits."""
        top = logits.amax(dim=1, keepdim=True)
        is_top = logits == top
        largest = torch.where(is_top, functional.relu(top - self.margin).square(), 0.0).sum(dim=1)
        distances = functional.relu(top.detach() - logits - self.margin).square()
        others = torch.where(is_top, 0.0, distances).sum(dim=1) / (logits.shape[1] - 1)
        penalty = self.pos_lambda * largest.mean() + self.neg_lambda * others.mean()
        return functional.cross_entropy(logits, batch.y) + self.alpha * penalty
