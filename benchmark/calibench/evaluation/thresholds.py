"""`calibench.thresholds`: operating points of a classifier, their guarantees, and the curves that they lie on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from calibench.errors import InputError, did_you_mean
from calibench.evaluation.cross_fit import Samples
from calibench.evaluation.fit_samples import check_fit_samples
from calibench.evaluation.names_given import names_given
from calibench.evaluation.operating_points import OF_POSITIVE, TARGETS, Wanted, operating_point
from calibench.evaluation.samples_given import samples_given
from calibench.lazy import np
from calibench.metrics.judged import Judged
from calibench.metrics.operating_curves import cost_curve, precision_recall, risk_coverage
from calibench.outputs.top_label import refuse_top_label
from calibench.records import schemas

DEFAULT_RISKS = ("0.01", "0.02", "0.05", "0.1")
"""The target risks where the user names no target."""


@dataclass(frozen=True)
class RuleOptions:
    """The options that all rules of one table share; None means not set."""

    positive: str | None = None
    guarantee: str | None = None
    delta: str | None = None
    score: str | None = None
    fit: str | None = None
    """Calibrators before the rule, fitted to the same samples, as in `temperature`."""

    def of_rule(self, positive: str | None) -> dict[str, str | None]:
        """The options of the rule `threshold`."""
        return {"positive": positive, "guarantee": self.guarantee, "delta": self.delta, "score": self.score}


@dataclass(frozen=True)
class ThresholdsRecord:
    """Operating points, and the curves of the samples that they are judged on."""

    n: int
    """The number of samples that rules were fitted to."""
    classes: int
    """The number of classes."""
    points: list[dict[str, Any]]
    """An entry for each rule: what is wanted (`want`, `target`), the `recipe` of `--fit`, the `threshold`, the `guarantee` with
    the `promise` in words, the figures of the samples that it was `fitted` to and of others that it was `judged` on."""
    curves: dict[str, dict[str, Any]]
    """`risk_coverage`, and where they exist `precision_recall` and `cost`: columns of equal length. They are of the samples of
    `judged_on`, or else of those that the rules were fitted to."""
    judged_n: int | None = None
    """The number of other samples that the rules were judged on; absent without them."""
    class_names: list[str] | None = None
    """The names of the classes; absent where the samples have none."""
    file: str | None = None
    """The file that rules were fitted to."""
    judged_on: str | None = None
    """The file that they were judged on."""
    schema: str = schemas.THRESHOLDS
    """The name and version of this document; first in the file."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON document, `schema` first."""
        document = {name: value for name, value in vars(self).items() if value is not None}
        return {"schema": document.pop("schema"), **document}


def thresholds(  # noqa: PLR0913 - the public API
    logits: Any = None,
    labels: Any = None,
    *,
    probs: Any = None,
    target_risk: float | Sequence[float] = (),
    target_coverage: float | Sequence[float] = (),
    target_precision: float | Sequence[float] = (),
    target_recall: float | Sequence[float] = (),
    cost: str | Path | Sequence[str | Path] = (),
    positive: str | int | None = None,
    guarantee: str | None = None,
    delta: float | None = None,
    score: str | None = None,
    fit: str | None = None,
    judge_logits: Any = None,
    judge_probs: Any = None,
    judge_labels: Any = None,
    class_names: Sequence[str] | None = None,
    seed: int = 0,
) -> ThresholdsRecord:
    """Decision rules that reach a target, fitted to `logits` or `probs` `[N, K]` with `labels [N]`.

    Each target is a fraction or several of them. `target_risk`: answer as often as the error rate of the answers allows.
    `target_coverage`: answer at least this share. `target_precision`, `target_recall`: answer the class `positive` (default: 1
    of two) by them. `cost`: the path of a matrix of costs. Without a target, there are four rules of `target_risk`.

    `guarantee` is `clopper-pearson` (the default: the target holds for the population with probability 1 - `delta` over such
    samples), `sgr` or `none`. `score` ranks samples for risk and coverage. `fit` names calibrators before the rule. With
    `judge_logits` or `judge_probs` and `judge_labels`, rules are judged on these samples. With `class_names`, those of the columns,
    labels and `positive` may be words. The rules are those of
    `evaluate(fit="threshold:target_risk=0.02")`. InputError as `evaluate` raises it.
    """
    names = names_given(class_names)
    samples = samples_given(logits, probs, labels, "", names)
    judge_on = None
    if judge_logits is not None or judge_probs is not None or judge_labels is not None:
        judge_on = samples_given(judge_logits, judge_probs, judge_labels, "judge_", names)
    given = {
        "target_risk": target_risk,
        "target_coverage": target_coverage,
        "target_precision": target_precision,
        "target_recall": target_recall,
        "cost": cost,
    }
    wanted = [Wanted(name, str(value)) for name, values in given.items() for value in _several(name, values)]
    own = None if delta is None else str(delta)
    options = RuleOptions(None if positive is None else str(positive), guarantee, own, score, fit)
    return operating_points(samples, wanted, options, judge_on=judge_on, class_names=names, seed=seed)


def _several(name: str, values: Any) -> Sequence[Any]:
    """One value or several as a list; InputError for what is neither."""
    if isinstance(values, str | Path | Real) or getattr(values, "ndim", None) == 0:
        return [values.item() if hasattr(values, "item") else values]
    if not isinstance(values, Iterable) or isinstance(values, Mapping):
        raise InputError(f"{name} is a {type(values).__name__}", "give a number, or a list of them")
    return values.tolist() if hasattr(values, "tolist") else list(values)


def operating_points(
    samples: Samples,
    wanted: Sequence[Wanted],
    options: RuleOptions,
    *,
    judge_on: Samples | None = None,
    class_names: Sequence[str] | None = None,
    seed: int = 0,
) -> ThresholdsRecord:
    """The record of the rules that are `wanted`. InputError for options that would do nothing."""
    outputs = samples[0]
    wanted = list(wanted) or [Wanted("target_risk", risk) for risk in DEFAULT_RISKS]
    if judge_on is not None:
        check_fit_samples(samples, judge_on)
    of_classes = next((want.name for want in wanted if want.name in (*OF_POSITIVE, "cost")), None)
    if options.fit is not None or of_classes is not None:
        refuse_top_label(outputs, f"fit {options.fit}" if of_classes is None else of_classes)
    positive = positive_class(options.positive, outputs.num_classes, class_names)
    _check(options, wanted)
    if positive is None and any(want.name in OF_POSITIVE for want in wanted):
        message = f"there are {outputs.num_classes} classes, and none is named as the positive one"
        number = "" if class_names else ", a number from 0 on"
        raise InputError(message, f"add --positive CLASS{number}; in Python positive=CLASS")
    named = None if options.positive is None else str(positive)
    if named is not None and class_names:
        named = class_names[int(named)]
    points = [
        operating_point(want, want.recipe(options.of_rule(named), options.fit), samples, judge_on, class_names, seed)
        for want in wanted
    ]
    judged = Judged(*(samples if judge_on is None else judge_on))
    return ThresholdsRecord(
        n=len(outputs),
        classes=outputs.num_classes,
        points=points,
        curves=_curves(judged, points, positive),
        judged_n=None if judge_on is None else len(judge_on[0]),
        class_names=None if class_names is None else list(class_names),
    )


def positive_class(positive: str | None, classes: int, class_names: Sequence[str] | None) -> int | None:
    """The index of the positive class, by name or number; class 1 of two, None of more. InputError for another name."""
    if positive is None:
        return 1 if classes == 2 else None
    if class_names and positive in class_names:
        return list(class_names).index(positive)
    if positive.isdecimal() and int(positive) < classes and not class_names:
        return int(positive)
    choices = class_names or [str(number) for number in range(classes)]
    raise InputError(f"there is no class {positive!r}", did_you_mean(positive, choices))


def _check(options: RuleOptions, wanted: Sequence[Wanted]) -> None:
    """InputError for an option that no rule of the table takes."""
    names = {want.name for want in wanted}
    idle = {
        "positive": options.positive is not None and not names & {*OF_POSITIVE, "cost"},
        "score": options.score is not None and not names & {"target_risk", "target_coverage"},
        "guarantee": options.guarantee is not None and not names & set(TARGETS),
        "delta": options.delta is not None and not names & set(TARGETS),
    }
    for name, does_nothing in idle.items():
        if does_nothing:
            raise InputError(f"--{name} does nothing for {', '.join(sorted(names))}", f"drop --{name}")
    if options.fit is not None and any(word.startswith("threshold") for word in options.fit.split("+")):
        raise InputError(
            f"--fit {options.fit} ends in a rule, and the table's rules follow it", "name calibrators alone"
        )


def _curves(judged: Judged, points: Sequence[Mapping[str, Any]], positive: int | None) -> dict[str, dict[str, Any]]:
    curves = {"risk_coverage": risk_coverage(judged)}
    if positive is not None:
        curves["precision_recall"] = precision_recall(judged, positive)
    costs = next((point["costs"] for point in points if point["costs"] is not None), None)
    if costs is not None:
        curves["cost"] = cost_curve(judged, np.array(costs), 1 if positive is None else positive)
    return {name: curve for name, curve in curves.items() if curve}


def with_files(record: ThresholdsRecord, file: Path, judged_on: Path | None) -> ThresholdsRecord:
    """The record with the names of its files."""
    return dataclasses.replace(record, file=str(file), judged_on=None if judged_on is None else str(judged_on))
