"""An operating point: a decision rule of `--fit`, fitted to one file, what it does there and elsewhere, and what it guarantees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibench.config.resolve import resolve_chain
from calibench.config.values import format_value
from calibench.errors import InputError
from calibench.evaluation.cross_fit import Samples
from calibench.lazy import np
from calibench.metrics.binning import Ints
from calibench.metrics.mean_interval import mean_interval, wilson_interval
from calibench.metrics.no_interval import NoInterval
from calibench.outputs.arrays import as_array
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import ABSTAIN
from calibench.outputs.stored_outputs import tensors_of
from calibench.seeds import seeded

LEVEL = 0.95

TARGETS = ("target_risk", "target_coverage", "target_precision", "target_recall")
"""The targets of the rule `threshold`, as options name them."""

OF_POSITIVE = ("target_precision", "target_recall")

PROMISES = {
    "target_risk": "the error rate of the answers is at most {target}",
    "target_coverage": "at least {target} of the samples get an answer",
    "target_precision": "at least {target} of the positive answers are right",
    "target_recall": "at least {target} of the positive samples are answered positive",
}


@dataclass(frozen=True)
class Wanted:
    """What the user wants of a rule: a target with its value, or a matrix of costs."""

    name: str
    """One of `TARGETS`, or `cost`."""
    value: str
    """The number as the user wrote it, or the path of the matrix."""

    def recipe(self, options: Mapping[str, str | None], before: str | None = None) -> str:
        """The recipe of `--fit`; `options` are those of the rule `threshold`, `before` the calibrators before it."""
        if self.name == "cost":
            rule = f"cost:matrix={format_value(self.value)}"
        else:
            own = {self.name: self.value, **{key: value for key, value in options.items() if value is not None}}
            if self.name not in OF_POSITIVE:
                own.pop("positive", None)
            else:
                own.pop("score", None)
            rule = "threshold:" + ",".join(f"{key}={format_value(value)}" for key, value in own.items())
        return rule if before is None else f"{before}+{rule}"


def operating_point(
    wanted: Wanted,
    recipe: str,
    fit_on: Samples,
    judge_on: Samples | None,
    class_names: Sequence[str] | None,
    seed: int,
) -> dict[str, Any]:
    """The rule of `recipe`, fitted to `fit_on` as `--fit` does, as an entry of `points`.

    `threshold` is the limit on the confidence (or the score) from which it answers, or on the probability of the positive class;
    None where there is none, and `accepts` then has `everything` or `nothing`. `fitted` are the figures of the samples that
    chose it, `judged` those of other samples. `guarantee` is None, or the kind with its `delta` and `bound`.
    """
    from calibench.recipe.posthoc import PostHoc

    outputs, labels = fit_on
    if outputs.labels_per_sample > 1:
        message = "thresholds are for samples of one label, and these have several"
        raise InputError(message, "use --fit sigmoid-threshold:target_recall=0.9 of calibench evaluate")
    stages = resolve_chain(recipe, ("calibrator", "decision"), f"thresholds {recipe}")
    chain = PostHoc(stages, outputs.num_classes, class_names=tuple(class_names or ()))
    with seeded(seed):
        entries = chain.fit(*tensors_of(outputs, labels)) if chain.needs_fit else []
        _, decided = chain.judged(tensors_of(outputs, labels)[0])
        elsewhere = None if judge_on is None else chain.judged(tensors_of(*judge_on)[0])[1]
    learned = dict(entries[-1]) if entries else {}
    learned.pop("stage", None)
    assert decided is not None
    positive = learned.get("positive")
    point = {
        "want": wanted.name,
        "target": None if wanted.name == "cost" else float(wanted.value),
        "recipe": recipe,
        "threshold": _threshold(learned),
        "accepts": learned.get("accepts"),
        "positive": positive,
        "guarantee": _guarantee(learned),
        "promise": promise(wanted, learned),
        "note": learned.get("note"),
        "learned": learned,
        "costs": None if decided.costs is None else decided.costs.tolist(),
        "fitted": figures(decided, as_array(labels), positive),
        "judged": None,
    }
    if judge_on is not None and elsewhere is not None:
        point["judged"] = figures(elsewhere, as_array(judge_on[1]), positive)
    return point


def _threshold(learned: Mapping[str, Any]) -> float | None:
    if "thresholds" in learned:
        return learned["thresholds"][0]  # type: ignore[no-any-return]
    return learned.get("threshold")


def _guarantee(learned: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = learned.get("guarantee", "none")
    if kind == "none":
        return None
    bound = learned["bounds"][0] if "bounds" in learned else learned["bound"]
    return {"kind": kind, "delta": learned["delta"], "bound": bound}


def promise(wanted: Wanted, learned: Mapping[str, Any]) -> str:
    """What the rule guarantees, in a sentence."""
    if wanted.name == "cost":
        return "no guarantee and no fit: the decisions cost least if the probabilities are calibrated"
    goal = PROMISES[wanted.name].format(target=f"{100 * float(wanted.value):g} %")
    guarantee = _guarantee(learned)
    if guarantee is None:
        return f"no guarantee: in these samples {goal}, in others about half of the time"
    if learned.get("accepts") == "nothing" or _never(learned):
        return "nothing is promised: these samples cannot show the target, so no sample is accepted"
    approximate = "approximately, " if learned.get("cal_split") == "cross-fit" else ""
    sure = f"{100 * (1 - guarantee['delta']):g} %"
    return f"{approximate}with a probability of {sure} over such files, {goal} in the population ({guarantee['kind']})"


def _never(learned: Mapping[str, Any]) -> bool:
    return "thresholds" in learned and learned["thresholds"][0] is None


def figures(decisions: Decisions, labels: Ints, positive: int | None = None) -> dict[str, Any]:
    """What decisions do to labelled samples: each figure with its `LEVEL` interval, Wilson's for shares.

    `coverage`: the share that gets an answer. `risk`: the error rate of the answers. With a positive class its `precision` and
    `recall`. With costs the `mean_cost`.
    """
    answers = decisions.answers.cpu().numpy()
    answered, wrong = answers != ABSTAIN, answers != labels
    found: dict[str, Any] = {
        "n": len(labels),
        "coverage": _share(int(answered.sum()), len(labels)),
        "risk": _share(int((answered & wrong).sum()), int(answered.sum())),
    }
    if positive is not None:
        said, is_positive = answers == positive, labels == positive
        found["precision"] = _share(int((said & is_positive).sum()), int(said.sum()))
        found["recall"] = _share(int((said & is_positive).sum()), int(is_positive.sum()))
    if decisions.costs is not None:
        costs = decisions.costs.cpu().numpy()[labels, answers]
        bounds = mean_interval(costs, LEVEL) if np.ptp(costs) > 0 else NoInterval("all costs are equal")
        found["mean_cost"] = {
            "value": float(costs.mean()),
            "interval": None if isinstance(bounds, NoInterval) else bounds,
        }
    return found


def _share(count: int, n: int) -> dict[str, Any]:
    if n == 0:
        return {"value": None, "interval": None, "count": 0, "n": 0}
    return {"value": count / n, "interval": list(wilson_interval(count, n, LEVEL)), "count": count, "n": n}
