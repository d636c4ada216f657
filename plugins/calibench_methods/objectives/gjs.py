"""`gjs`: generalised Jensen-Shannon divergence (Englesson and Azizpour, NeurIPS 2021)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from calibench import MethodSpec, Objective, Param
from calibench.lazy import nn, torch
from calibench.stages import Batch

ONE_VIEW, TWO_VIEWS = 0.7, 0.3
"""Weights of the label that the authors use on CIFAR-10 with 20 % of the labels wrong: JS of one view, GJS of two views."""

SPEC = MethodSpec(
    name="gjs",
    kind="objective",
    target=f"{__name__}:GeneralizedJensenShannon",
    summary="Generalised Jensen-Shannon divergence of the label and the predictions for two augmented copies of an image.",
    params=(
        Param(
            "weight",
            "float",
            None,
            "weight of the label, pi_1, between cross-entropy (near 0) and mean absolute error (near 1); not set: the authors' for "
            "CIFAR-10 with 20 % of the labels wrong, 0.3 with `augment`, 0.7 without",
            minimum=1e-3,
            maximum=0.999,
        ),
    ),
    equation=(
        "loss = sum_j w_j KL(q_j || m) / Z, q = (onehot(y), p(view 1), p(view 2)), w = (v, (1-v)/2, (1-v)/2), m = sum_j w_j q_j, "
        "Z = -(1-v) log(1-v)"
    ),
    paper=(
        "E. Englesson, H. Azizpour, Generalized Jensen-Shannon Divergence Loss for Learning with Noisy Labels, NeurIPS 2021 "
        "(arXiv 2105.04522); code: ErikEnglesson/GJS"
    ),
    deviations=(
        "without `augment`, as on rows of features, there is one view: the loss is then JS, to which GJS comes down where "
        "both views are equal",
        "the authors choose the weight for each rate of noise (CIFAR-10: GJS 0.3 for 20 %, 0.9 for 40 % symmetric noise; JS "
        "0.7 for both); the default is one of these for all rates",
        "the authors clip probabilities at 1e-7 under the logarithm; here a product p log(p / m) is 0 where p is 0",
    ),
    use_when="labels are wrong, the data are images, and `augment` is set: predictions for two copies should agree",
    avoid_when="a step may not cost twice as much as with `ce`, or nothing augments: then it is only JS",
    cost="with `augment` two forward and backward passes a step; without as `ce`",
)


class GeneralizedJensenShannon(Objective):
    """`JS_w(onehot(y), p_1, ..., p_M) / Z`, mean over the batch, with weight v for the label and (1 - v) / M for each view.

    `JS_w = sum_j w_j KL(q_j || sum_i w_i q_i)`. With `Z = -(1 - v) log(1 - v)` the loss tends to the cross-entropy for v -> 0,
    and to the mean absolute error `1 - p_y` for v -> 1.
    """

    views = 2
    splits = True

    def __init__(self, weight: float | None) -> None:
        self.weight = weight

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """JS of one view, a scalar without unit."""
        return self.divergence([logits], batch.y)

    def step(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """GJS of all views of the batch, a scalar without unit; each view is a forward pass of its own, as the authors have it."""
        return self.divergence([network(x) for x in (batch.x, *batch.more_views)], batch.y)

    def divergence(self, logits: Sequence[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        """The scaled divergence of the labels `[n]` and the predictions for each view, logits `[n, K]`; a scalar.

        Class k = y is the only one in which the label takes part: KL of the label is `-log m_y`.
        """
        weight = self.weight if self.weight is not None else ONE_VIEW if len(logits) == 1 else TWO_VIEWS
        log_p = [view.log_softmax(dim=1) for view in logits]
        shares = [log_view + math.log((1 - weight) / len(logits)) for log_view in log_p]
        mean = torch.stack(shares).logsumexp(dim=0)
        at_label = mean.gather(1, labels[:, None])
        log_weight = at_label.new_tensor(math.log(weight))
        with_label = torch.logaddexp(at_label, log_weight)
        mean = mean.scatter(1, labels[:, None], with_label)
        total = -weight * with_label.squeeze(1)
        for log_view in log_p:
            total = total + (1 - weight) / len(logits) * (log_view.exp() * (log_view - mean)).sum(dim=1)
        return total.mean() / -((1 - weight) * math.log1p(-weight))
