"""Thresholds that are fitted to a metric, or to a target of precision or recall: their parameters, fit and answers."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from calibench import InputError, Outputs, Param
from calibench.errors import did_you_mean
from calibench.lazy import np, torch
from calibench.metrics.binning import Bools
from calibench.outputs.several_labels import label_scores
from calibench.outputs.uncertainty import threshold_of
from calibench_methods.decisions.answer_metrics import MEANING, METRICS, rates
from calibench_methods.decisions.class_thresholds import (
    Goal,
    doubt_of,
    fit_threshold,
    refuse_one_sided,
    rounded_doubt,
    untuned,
)
from calibench_methods.decisions.parameters import check_delta
from calibench_methods.decisions.ratio_thresholds import tune_ratios
from calibench_methods.decisions.selective_fit import Limit

NEVER = -1.0
"""A limit on doubts, which are at least 0, that no sample reaches."""

GUARANTEE = Param(
    "guarantee",
    "str",
    None,
    "guarantee that the target holds for the population and not only on cal; not set: clopper-pearson",
    choices=("clopper-pearson", "sgr", "none"),
)
DELTA = Param(
    "delta",
    "float",
    None,
    "probability, over draws of cal, that the guarantee fails; not set: 0.05 (Geifman & El-Yaniv: 0.001)",
    "probability",
    minimum=0,
    maximum=1,
)
METRIC = Param(
    "metric", "str", None, f"tune thresholds on cal to this metric of the answers: {MEANING}", choices=METRICS
)
BETA = Param(
    "beta",
    "float",
    None,
    "beta of metric=fbeta: how many times recall counts as much as precision",
    minimum=0,
    late=True,
)


def _target(key: str, meaning: str) -> Param:
    return Param(key, "float", None, meaning, "fraction", minimum=0, maximum=1, late=True)


TARGETS = (
    _target(
        "target_precision",
        "answer positive as often as the precision of these answers stays at or above this; fitted on cal",
    ),
    _target(
        "target_recall",
        "answer positive as seldom as the recall of the positive class stays at or above this; fitted on cal",
    ),
)


def _late(param: Param) -> Param:
    return dataclasses.replace(param, late=True)


TUNING = (_late(METRIC), BETA, *TARGETS, _late(GUARANTEE), _late(DELTA))
"""The parameters as a method takes them that is older than they are."""


@dataclass(frozen=True)
class TunedThresholds:
    """The parameters that concern tuned thresholds; None means not set. `rule` is the name of the method."""

    rule: str = "threshold"
    metric: str | None = None
    beta: float | None = None
    classes: str | None = None
    positive: str | None = None
    target_precision: float | None = None
    target_recall: float | None = None
    guarantee: str | None = None
    delta: float | None = None

    @property
    def active(self) -> bool:
        """True if thresholds are tuned."""
        return self.metric is not None or self.goal.target is not None

    @property
    def needs_fresh(self) -> bool:
        """True if a guarantee must hold, so that no calibrator may have seen the samples of the fit."""
        return self.goal.target is not None and self.guarantee != "none"

    @property
    def goal(self) -> Goal:
        """What the thresholds are fitted to."""
        return Goal(
            metric=self.metric,
            beta=1.0 if self.beta is None else self.beta,
            both=self.classes == "all",
            target_precision=self.target_precision,
            target_recall=self.target_recall,
            guarantee=self.guarantee or "clopper-pearson",
            delta=0.05 if self.delta is None else self.delta,
        )

    def check(self) -> None:
        """InputError for parameters that contradict each other or would do nothing."""
        name, target = self.rule, self.goal.target
        if (self.metric == "fbeta") != (self.beta is not None):
            message = f"{name}: {'metric=fbeta needs beta' if self.beta is None else 'beta is for metric=fbeta alone'}"
            raise InputError(message, "as in metric=fbeta,beta=2, which counts recall twice as much as precision")
        if self.beta is not None and not self.beta > 0:
            raise InputError(f"{name}: beta={self.beta:g} is not above 0", "beta=2 favours recall, beta=0.5 precision")
        if not self.active and (self.classes or self.positive):
            key = "classes" if self.classes else "positive"
            raise InputError(f"{name}: {key} applies to metric, target_precision or target_recall", "add metric=f1")
        if self.classes == "all" and self.positive is not None:
            raise InputError(f"{name}: classes=all has no positive class", "drop positive, or use classes=positive")
        if self.classes is not None and target is not None:
            raise InputError(
                f"{name}: classes is for metric, and a target is one of the positive class", "drop classes"
            )
        if self.guarantee == "sgr" and self.target_recall is not None:
            message = f"{name}: guarantee sgr bounds the risk, and target_recall sets no risk"
            raise InputError(message, "use clopper-pearson or none")
        if target is not None and not 0 < target < 1:
            key = "target_recall" if self.target_precision is None else "target_precision"
            raise InputError(f"{name}: {key}={target:g} is not between 0 and 1", f"write a fraction, as in {key}=0.9")
        check_delta(name, self.guarantee, self.delta)

    def check_classes(self, num_classes: int, class_names: tuple[str, ...], several_labels: bool) -> None:
        """InputError if there is no positive class, or if it has no meaning because a sample has several labels."""
        if several_labels and (self.positive is not None or self.classes is not None):
            key = "positive" if self.positive is not None else "classes"
            message = (
                f"{self.rule}: {key} does nothing to samples with several labels: each label is its own positive class"
            )
            raise InputError(message, f"drop {key}")
        if self.active and not several_labels:
            self.positive_class(num_classes, class_names)

    def positive_class(self, num_classes: int, class_names: tuple[str, ...] = ()) -> int | None:
        """The index of the positive class: by name if classes have names, else by number; None if all classes are tuned.

        Not set, it is class 1 of two, and all classes if there are more. InputError for a class that is not there.
        """
        if self.positive is None:
            if num_classes == 2 and self.classes != "all":
                return 1
            if self.classes == "positive" or self.goal.target is not None:
                message = f"{self.rule}: {num_classes} classes, and none is named as the positive one"
                raise InputError(message, "add positive=NAME, or positive=2 where classes have no names")
            return None
        if class_names:
            if self.positive not in class_names:
                raise InputError(
                    f"{self.rule}: no class is called {self.positive!r}", did_you_mean(self.positive, class_names)
                )
            if class_names.count(self.positive) > 1:
                raise InputError(
                    f"{self.rule}: several classes are called {self.positive!r}", "rename all but one of them"
                )
            return class_names.index(self.positive)
        if not self.positive.isdecimal() or int(self.positive) >= num_classes:
            message = f"{self.rule}: positive={self.positive} is not a class, and the classes have no names"
            raise InputError(message, f"use a number from 0 to {num_classes - 1}")
        return int(self.positive)

    def fit_columns(self, doubts: torch.Tensor, truth: Bools, unit: str) -> dict[str, Any]:
        """A threshold for each column of `doubts [N, C]`, against `truth [N, C]`; `unit` names a column in messages."""
        limits = []
        for c in range(truth.shape[1]):
            doubt = doubts[:, c].cpu().numpy()
            if unit == "label" and (truth[:, c].all() or not truth[:, c].any()):
                limits.append(untuned(doubt, truth[:, c], self.goal))
                continue
            where = f"{self.rule}: {unit} {c}" if truth.shape[1] > 1 else f"{self.rule}: the positive class"
            refuse_one_sided(truth[:, c], where)
            limits.append(fit_threshold(doubt, truth[:, c], self.goal))
        return self._as_json(limits, unit)

    def _as_json(self, limits: list[Limit], unit: str) -> dict[str, Any]:
        doubts = [limit.uncertainty for limit in limits]
        fitted: dict[str, Any] = {
            "thresholds": [None if doubt is None else _threshold(doubt) for doubt in doubts],
            "doubts": [NEVER if doubt is None else doubt for doubt in doubts],
        }
        if self.goal.target is not None:
            fitted["guarantee"] = self.goal.guarantee
            if self.goal.guarantee != "none":
                fitted |= {"delta": self.goal.delta, "bounds": [limit.bound for limit in limits]}
        several = len(limits) > 1
        notes = [f"{unit} {c}: {limit.note}" if several else limit.note for c, limit in enumerate(limits) if limit.note]
        return fitted | ({"note": "; ".join(notes)} if notes else {})

    def fit_classes(self, outputs: Outputs, labels: torch.Tensor, positive: int | None) -> dict[str, Any]:
        """The thresholds for one label a sample: of the positive class, or of all; with the rates before and after."""
        y = labels.cpu().numpy()
        fitted: dict[str, Any]
        if positive is not None or outputs.num_classes == 2:
            at = 1 if positive is None else positive
            fitted = self.fit_columns(doubt_of(outputs, at)[:, None], (y == at)[:, None], "class") | {"positive": at}
        else:
            count = np.bincount(y, minlength=outputs.num_classes)
            if not count.all():
                named = ", ".join(map(str, np.flatnonzero(count == 0)[:5]))
                message = f"{self.rule}: metric={self.metric} has no sample of class {named} to tune on"
                raise InputError(message, "fit on samples of every class, or set values=t0;t1;...")
            assert self.metric is not None
            log_probs = outputs.logits().log_softmax(dim=1).cpu().numpy()
            tuned = tune_ratios(log_probs, y, self.metric, self.goal.beta)
            fitted = {
                "thresholds": tuned.thresholds.tolist(),
                "cal_metric": {"before": tuned.before, "after": tuned.after},
            }
        before, after = outputs.scores.argmax(dim=1).cpu().numpy(), self.answers(outputs, fitted).cpu().numpy()
        classes = np.arange(outputs.num_classes)
        truth = y[:, None] == classes
        fitted["cal_before"] = rates(before[:, None] == classes, truth)
        fitted["cal_after"] = rates(after[:, None] == classes, truth)
        return fitted | changed(before != after, fitted.get("note"))

    def answers(self, outputs: Outputs, fitted: dict[str, Any]) -> torch.Tensor:
        """The class of each sample, `[N]`: the positive one where its doubt is within the limit, else the best of the others.

        Of tuned thresholds of all classes it is the argmax of p_k / t_k.
        """
        if "doubts" not in fitted:
            offsets = -torch.tensor(fitted["thresholds"], dtype=torch.float64).log()
            return (outputs.logits().log_softmax(dim=1) + offsets.to(outputs.scores.device)).argmax(dim=1)
        at = fitted["positive"]
        others = outputs.scores.double().index_fill(1, torch.tensor([at], device=outputs.scores.device), -torch.inf)
        return others.argmax(dim=1).masked_fill(doubt_of(outputs, at) <= fitted["doubts"][0], at)

    def fit_labels(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """A threshold for each label of samples with several, with the rates of each label before and after."""
        truth = labels.cpu().numpy().reshape(-1, outputs.labels_per_sample) == 1
        doubts = label_doubts(outputs)
        fitted = self.fit_columns(doubts, truth, "label")
        before, after = (doubts < 1).cpu().numpy(), self.reached(doubts, fitted).cpu().numpy()
        fitted |= {"cal_before": rates(before, truth), "cal_after": rates(after, truth)}
        return fitted | changed(before != after, fitted.get("note"))

    def reached(self, doubts: torch.Tensor, fitted: dict[str, Any]) -> torch.Tensor:
        """True where the doubt `[N, C]` is within the limit of its column."""
        return doubts <= torch.tensor(fitted["doubts"], dtype=torch.float64, device=doubts.device)


def _threshold(doubt: float) -> float:
    """A limit on the doubt as one on the probability; a doubt of 1, as of a label that cannot be tuned, is 0.5."""
    return 0.5 if doubt == 1 else threshold_of("max-softmax", doubt)


def label_doubts(outputs: Outputs) -> torch.Tensor:
    """`(1 - p) / p` of each label being yes, `[N, Q]`, rounded as `doubt_of`."""
    scores = label_scores(outputs).double()
    return rounded_doubt((1 - scores) / scores if outputs.from_probs else (-scores).exp())


def changed(
    differ: Bools, note: str | None, same: str = "every sample gets its most probable answer"
) -> dict[str, Any]:
    """`cal_changed`, the share of answers on cal that the rule changes, and a note if it changes none."""
    share = float(differ.mean())
    if share:
        return {"cal_changed": share}
    unchanged = f"the thresholds change no answer on cal: {same}"
    return {"cal_changed": share, "note": f"{note}; {unchanged}" if note else unchanged}
