"""`balanced-softmax`: the softmax weighted by class counts (Ren et al., NeurIPS 2020), which is logit-adjustment at tau = 1."""

from __future__ import annotations

from calibench import MethodSpec
from calibench_methods.objectives.logit_adjustment import CHECKPOINT, UNIFORM_PRIOR, LogitAdjustment

SPEC = MethodSpec(
    name="balanced-softmax",
    kind="objective",
    target=f"{__name__}:BalancedSoftmax",
    summary="Balanced softmax: cross-entropy of a softmax weighted by class counts; the same loss as logit-adjustment:tau=1.",
    equation="loss = -log(n_y exp(z_y) / sum_k n_k exp(z_k)), n_k training rows of class k",
    paper=("J. Ren et al., Balanced Meta-Softmax for Long-Tailed Visual Recognition, NeurIPS 2020 (arXiv 2007.10740)"),
    deviations=(
        "the paper's meta sampler, which learns how often a class is drawn, is left out",
        UNIFORM_PRIOR,
        CHECKPOINT,
    ),
    use_when="as logit-adjustment: the name is here because tables of long-tailed recognition use it",
    avoid_when="probabilities for the real shares are needed: train with ce, or add the prior correction",
    cost="as ce",
)


class BalancedSoftmax(LogitAdjustment):
    """`-log(n_y e^(z_y) / sum_k n_k e^(z_k))`, mean over the batch: logit adjustment at tau = 1, since N cancels."""

    name = "balanced-softmax"

    def __init__(self) -> None:
        super().__init__(tau=1.0)
