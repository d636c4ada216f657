"""Whether the figures of a stored record follow from its predictions, and these belong to the data of the run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibench.data.prepare import Data
from calibench.errors import CalibenchError
from calibench.evaluation.judge import judge
from calibench.evaluation.stored_run import judged_again, sampling_of
from calibench.metrics.load import DEFAULT, load_metrics
from calibench.records.record import ResultRecord

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
    """A fault for each figure, interval and noise floor that comes out otherwise."""
    metrics = load_metrics(",".join([DEFAULT, *record.named_metrics]))
    try:
        judgement = judge(judged_again(record, arrays), metrics, sampling_of(record))
    except (CalibenchError, KeyError, TypeError, ValueError) as error:
        yield f"its figures cannot be computed again: {error}"
        return
    again: dict[str, Mapping[str, Any]] = {
        "": judgement.metrics,
        "the interval of ": judgement.intervals,
        "the noise floor of ": judgement.noise_floor,
    }
    stored: dict[str, Mapping[str, Any]] = {
        "": record.metrics,
        "the interval of ": record.intervals,
        "the noise floor of ": record.noise_floor,
    }
    added = {name for row in (*record.shift, *record.ood) for name in row.get("metrics", ())}
    for what, values in again.items():
        for name, value in values.items():
            if name not in stored[what]:
                if name in record.metrics:
                    yield f"{what}{name} is missing"
            elif not _equal(stored[what][name], value):
                yield f"{what}{name} is {_short(stored[what][name])}, and the predictions give {_short(value)}"
    unknown = sorted(set(record.metrics) - set(judgement.metrics) - added)
    own = [name for name in unknown if not name.startswith(("shift_", "ood_", "near_", "far_"))]
    if own:
        yield f"the predictions give no {', '.join(own)}"


def faults_of_labels(data: Data, arrays: Arrays) -> Iterator[str]:
    """A fault if ids or labels of test are not those of the data."""
    if not np.array_equal(data.test.ids, arrays["test.ids"]):
        yield "the ids of test are not those of the data"
    elif not np.array_equal(data.test.y, arrays["test.labels"]):
        wrong = int((data.test.y != arrays["test.labels"]).reshape(len(data.test.y), -1).any(axis=1).sum())
        yield f"{wrong} of {len(data.test.y)} labels of test are not those of the data"


def _equal(stored: Any, again: Any) -> bool:
    if isinstance(stored, Mapping) and isinstance(again, Mapping):
        return stored.keys() == again.keys() and all(_equal(stored[key], again[key]) for key in stored)
    if isinstance(stored, list | tuple) and isinstance(again, list | tuple):
        return len(stored) == len(again) and all(map(_equal, stored, again))
    if isinstance(stored, int | float) and isinstance(again, int | float):
        return math.isclose(stored, again, rel_tol=RELATIVE, abs_tol=1e-12)
    return bool(stored == again)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_short(item) for item in value) + "]"
    return str(value)
