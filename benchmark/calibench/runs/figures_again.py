"""Whether the figures of a stored record follow from its predictions, and these belong to the data of the run."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibench.data.prepare import Data
from calibench.errors import CalibenchError
from calibench.evaluation.judge import Judgement, judge
from calibench.evaluation.stored_run import judged_again, sampling_of
from calibench.leaderboard.faults import faults_of
from calibench.leaderboard.replicates import PREFIX
from calibench.metrics.load import DEFAULT, Metrics, load_metrics, units_of
from calibench.records.record import ResultRecord
from calibench.version import __version__

RELATIVE = 1e-9
"""Figures that differ by no more, relative to their size, are equal: other processors round in other ways."""

Arrays = Mapping[str, NDArray[Any]]


def faults_of_arrays(record: ResultRecord, arrays: Arrays) -> Iterator[str]:
    """Faults of the stored arrays themselves."""
    labels, ids = arrays.get("test.labels"), arrays.get("test.ids")
    scores = arrays.get("test.probs", arrays.get("test.logits"))
    if labels is None or ids is None or scores is None:
        yield "the predictions hold no scores, labels or ids of test"
        return
    if not len(labels) == len(ids) == len(scores) == record.n["test"]:
        yield f"test has {record.n['test']} samples, and {len(scores)} scores, {len(labels)} labels and {len(ids)} ids are stored"
    elif len(np.unique(ids)) < len(ids):
        yield f"{len(ids) - len(np.unique(ids))} ids of test stand twice"


def faults_of_figures(record: ResultRecord, arrays: Arrays) -> Iterator[str]:
    """A sentence for each figure that comes out otherwise, or that nothing here gives."""
    metrics = load_metrics(",".join([DEFAULT, *record.named_metrics]))
    try:
        judgement = judge(judged_again(record, arrays), metrics, sampling_of(record).check())
    except (CalibenchError, KeyError, TypeError, ValueError) as error:
        yield f"its figures cannot be computed again: {error}"
        return
    again = _parts_of(judgement)
    for what, values in again.items():
        stored = _stored(record, what)
        for name, value in values.items():
            if name not in stored:
                if name in record.metrics or (what == "" and record.versions.get("calibench") == __version__):
                    yield f"{what}{name} is missing"
            elif not equal(*_comparable(stored[name], value)):
                yield f"{what}{name} is {shown(stored[name], value)}, and the predictions give {shown(value, stored[name])}"
    yield from _of_verdict(record, judgement)
    yield from _of_units(record, metrics, judgement)
    yield from _of_replicates(arrays, judgement)
    yield from _of_unknown(record, judgement)
    yield from faults_of(record)


def unseen_figures(record: ResultRecord) -> Iterator[str]:
    """What no stored prediction gives."""
    if record.shift or record.ood:
        yield "the figures of shifts and OOD sets: their predictions are not stored"


def _parts_of(judgement: Judgement) -> dict[str, Mapping[str, Any]]:
    """What is compared name by name, by the words before the name of a metric."""
    return {
        "": judgement.metrics,
        "the interval of ": judgement.intervals,
        "the noise floor of ": judgement.noise_floor,
        "the reason for no interval of ": judgement.no_interval,
        "the facts behind ": judgement.details,
    }


def _stored(record: ResultRecord, what: str) -> Mapping[str, Any]:
    parts: dict[str, Mapping[str, Any]] = {
        "": record.metrics,
        "the interval of ": record.intervals,
        "the noise floor of ": record.noise_floor,
        "the reason for no interval of ": record.no_interval,
        "the facts behind ": record.details,
    }
    return parts[what]


def _comparable(stored: Any, value: Any) -> tuple[Any, Any]:
    """Both without facts that a decision rule adds to those of the predictions, and without its words."""
    if not (isinstance(stored, Mapping) and isinstance(value, Mapping)):
        return stored, value
    words = {key for facts in (stored, value) for key, fact in facts.items() if isinstance(fact, str)}
    names = value.keys() - words
    return {key: stored[key] for key in names & stored.keys()}, {key: value[key] for key in names}


def _of_verdict(record: ResultRecord, judgement: Judgement) -> Iterator[str]:
    """Differences of the verdict, without the names of classes, which are no part of the predictions.

    A record of an earlier version has none.
    """
    if not record.calibrated:
        return
    for name, value in judgement.verdict.fields().items():
        stored = getattr(record, name)
        if name != "warnings" and not equal(_nameless(stored), _nameless(value)):
            yield f"{name} is {shown(stored, value)}, and the predictions give {shown(value, stored)}"


def _nameless(value: Any) -> Any:
    """A part of a verdict without the names of classes and labels."""
    if isinstance(value, str):
        return _NAME.sub(r"\1:", value)
    if isinstance(value, list):
        return [{key: fact for key, fact in row.items() if key != "name"} for row in value]
    return value


_NAME = re.compile(r"\b(class|label) .+?: (?=\d)")
"""The name of a class before its counts, as in `class benign: 97 predicted`."""


def _of_units(record: ResultRecord, metrics: Metrics, judgement: Judgement) -> Iterator[str]:
    """Differences of units, directions and kinds of metrics, which decide the order of a board."""
    for name, unit in units_of(metrics, judgement.metrics).items():
        stored = record.units.get(name, {})
        for key in ("unit", "better", "rankable", "order_only"):
            if name in record.metrics and stored.get(key) != unit[key]:
                yield f"the {key} of {name} is {stored.get(key)}, and the metric says {unit[key]}"


def _of_replicates(arrays: Arrays, judgement: Judgement) -> Iterator[str]:
    """Differences of the stored replicates, from which ranks and changes follow."""
    for name, values in arrays.items():
        metric = name.removeprefix(PREFIX)
        if name == metric or metric.startswith(_ADDED):
            continue
        again = judgement.replicates.get(metric)
        if again is None or values.shape != again.shape:
            yield f"the file holds resamples of {metric} that its predictions do not give"
        elif not np.allclose(values, again, rtol=RELATIVE, atol=1e-12, equal_nan=True):
            differ = int((~np.isclose(values, again, rtol=RELATIVE, atol=1e-12, equal_nan=True)).sum())
            yield f"{differ} of {len(values)} resamples of {metric} are not those of the predictions"


_ADDED = ("shift_", "ood_", "near_", "far_")
"""How the names of figures of shifts and OOD sets begin."""


def _of_unknown(record: ResultRecord, judgement: Judgement) -> Iterator[str]:
    """Figures that neither the test split nor a shift or an OOD set of the record has."""
    added = {name for row in (*record.shift, *record.ood) for name in row.get("metrics", ())}
    allowed = tuple(beginning for beginning in _ADDED if (record.shift if beginning == "shift_" else record.ood))
    unknown = sorted(set(record.metrics) - set(judgement.metrics) - added)
    own = [name for name in unknown if not (allowed and name.startswith(allowed))]
    if own:
        yield f"the predictions give no {', '.join(own)}"


def faults_of_labels(data: Data, arrays: Arrays) -> Iterator[str]:
    """A fault if ids or labels of test are not those of the data."""
    if not np.array_equal(data.test.ids, arrays["test.ids"]):
        yield "the ids of test are not those of the data"
    elif not np.array_equal(data.test.y, arrays["test.labels"]):
        wrong = int((data.test.y != arrays["test.labels"]).reshape(len(data.test.y), -1).any(axis=1).sum())
        yield f"{wrong} of {len(data.test.y)} labels of test are not those of the data"


def equal(stored: Any, again: Any) -> bool:
    """True for values that are equal up to rounding, at every depth."""
    if isinstance(stored, Mapping) and isinstance(again, Mapping):
        return stored.keys() == again.keys() and all(equal(stored[key], again[key]) for key in stored)
    if isinstance(stored, list | tuple) and isinstance(again, list | tuple):
        return len(stored) == len(again) and all(map(equal, stored, again))
    if isinstance(stored, bool) or isinstance(again, bool):
        return stored is again
    if isinstance(stored, int | float) and isinstance(again, int | float):
        return math.isclose(stored, again, rel_tol=RELATIVE, abs_tol=1e-12)
    return bool(stored == again)


def shown(value: Any, other: Any) -> str:
    """A value for people; with all its digits where the six first ones are those of `other`."""
    short = _with_digits(value, 6)
    return short if short != _with_digits(other, 6) else _with_digits(value, 17)


def _with_digits(value: Any, digits: int) -> str:
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_with_digits(item, digits) for item in value) + "]"
    return str(value)
