"""A threshold on the probability of one class against the rest, fitted to a metric of the answers or to a target."""

from __future__ import annotations

from dataclasses import dataclass

from calibench import InputError, Outputs
from calibench.lazy import np, torch
from calibench.metrics.binning import Bools, Floats
from calibench_methods.decisions.answer_metrics import Counts, metric_of_class
from calibench_methods.decisions.selective_fit import Limit, limit_coverage, limit_risk, tie_ends

MOST_DOUBT = 3.4028234663852886e38
"""The largest float32, which no doubt exceeds: doubts are rounded to it, so that equal rows tie whichever loop computed them."""


@dataclass(frozen=True)
class Goal:
    """What a threshold is fitted to: the best `metric`, or the most answers with a precision, or the fewest with a recall."""

    metric: str | None = None
    beta: float = 1.0
    both: bool = False
    """True for the mean of the metric over the class and the rest."""
    target_precision: float | None = None
    target_recall: float | None = None
    guarantee: str = "clopper-pearson"
    delta: float = 0.05

    @property
    def target(self) -> float | None:
        """The target of precision or recall; None if a metric is tuned."""
        return self.target_recall if self.target_precision is None else self.target_precision


def doubt_of(outputs: Outputs, k: int) -> torch.Tensor:
    """`(1 - p_k) / p_k` of class k, `[N]` in float64 rounded to float32: it falls as p_k grows, and saturates at neither end."""
    if outputs.from_probs:
        p = outputs.scores[:, k].double()
        return rounded_doubt((1 - p).clamp_min(0) / p)
    logits = outputs.logits()
    others = torch.cat([logits[:, :k], logits[:, k + 1 :]], dim=1)
    return rounded_doubt((others.logsumexp(dim=1) - logits[:, k]).exp())


def rounded_doubt(doubt: torch.Tensor) -> torch.Tensor:
    """The doubts rounded to float32, in float64; infinities become float32's largest number."""
    return doubt.clamp_max(MOST_DOUBT).float().double()


def fit_threshold(doubt: Floats, truth: Bools, goal: Goal) -> Limit:
    """The largest `doubt [N]` at which the class is answered, for labels `truth [N]`: True where the sample is of the class.

    `metric`: the limit at which the metric of `[doubt <= limit]` is best; among equals the one that answers least.
    `target_precision`: the limit of most answers whose precision reaches the target, as `limit_risk` of 1 - precision.
    `target_recall`: the limit of fewest answers whose recall reaches it, as `limit_coverage` of the samples of the class.
    The limit is None if the class is never answered. InputError if no sample, or every sample, is of the class.
    """
    if goal.target_precision is not None:
        limit = limit_risk(doubt, ~truth, 1 - goal.target_precision, goal.guarantee, goal.delta)
        if limit.uncertainty is None:
            shown = f"no threshold shows a precision of {goal.target_precision:g} on {len(doubt)} samples"
            return limit._replace(note=f"{shown}, {int(truth.sum())} of them positive: positive is never answered")
        return limit if limit.bound is None else limit._replace(bound=1 - limit.bound)
    if goal.target_recall is not None:
        limit = limit_coverage(doubt[truth], ~truth[truth], goal.target_recall, goal.guarantee, goal.delta)
        assert limit.uncertainty is not None
        accepted = doubt <= limit.uncertainty
        note = limit.note and (
            f"{int(truth.sum())} positive samples cannot show a recall of {goal.target_recall:g}: positive is always answered"
        )
        largest = min(limit.uncertainty, MOST_DOUBT)
        return Limit(largest, int(accepted.sum()), int((accepted & ~truth).sum()), limit.bound, note)
    assert goal.metric is not None
    ends = tie_ends(doubt, ~truth)
    counts = Counts(ends.accepted - ends.errors, ends.accepted, np.array(truth.sum()), len(truth))
    values = metric_of_class(goal.metric, goal.beta, counts)
    if goal.both:
        values = (values + metric_of_class(goal.metric, goal.beta, counts.of_the_rest())) / 2
    i = int(values.argmax())
    return Limit(float(ends.uncertainty[i]), int(ends.accepted[i]), int(ends.errors[i]), None)


def refuse_one_sided(truth: Bools, where: str) -> None:
    """InputError if no sample, or every sample, is positive: there is nothing to tune on."""
    if truth.any() and not truth.all():
        return
    message = (
        f"{where} has {'only positive samples' if len(truth) and truth.all() else 'no positive sample'} to tune on"
    )
    raise InputError(message, "fit on samples of every class, or set value or values")


def untuned(doubt: Floats, truth: Bools, goal: Goal) -> Limit:
    """The limit for one of several labels that no sample has, or every sample: 0.5, or the one that cannot break the target."""
    what = "every sample is positive" if truth.any() else "no sample is positive"
    limit, does = 1.0, "the threshold stays 0.5"
    if goal.target_recall is not None:
        limit, does = MOST_DOUBT, "positive is always answered"
    note = f"{what}, so there is nothing to tune on: "
    if goal.target_precision is not None:
        return Limit(None, 0, 0, None, f"{note}positive is never answered")
    accepted = doubt <= limit
    return Limit(limit, int(accepted.sum()), int((accepted & ~truth).sum()), None, note + does)
