"""Verify stored runs: every figure again from the predictions, every digest, and labels against the data where they are here."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibench.config.request import RunRequest
from calibench.config.resolve import resolve_run
from calibench.config.run_config import id_of
from calibench.config.suite import load_suite
from calibench.data.load import load_data
from calibench.data.prepare import Data
from calibench.errors import CalibenchError, InputError
from calibench.evaluation.judge import judge
from calibench.evaluation.stored_run import judged_again, sampling_of
from calibench.metrics.load import DEFAULT, load_metrics
from calibench.records import store
from calibench.records.failed_cells import FILE as FAILED
from calibench.records.failed_cells import Key, key_of
from calibench.records.record import ResultRecord
from calibench.runs.verify_failed import faults_of_failed

RELATIVE = 1e-9
"""Figures that differ by no more, relative to their size, are equal: other processors round in other ways."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Verified:
    """One record: the `faults` that were found, and what could not be looked at (`unseen`), a sentence each."""

    path: Path
    faults: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


def verify(results: Path) -> Iterator[Verified]:
    """Each record of a results folder, or of the folders in it, and its failed cells. InputError if there are no records."""
    datasets: dict[str, Data | str] = {}
    for folder in store.folders_of(results):
        if not (folder / store.RECORDS).is_dir():
            raise InputError(f"there are no records under {str(results)!r}", "name a folder that holds records/")
        for path in sorted((folder / store.RECORDS).glob("*.json")):
            yield _verified(path, folder, datasets)
        if (folder / FAILED).is_file():
            yield Verified(folder / FAILED, list(faults_of_failed(folder / FAILED, _made(folder))))


def _made(folder: Path) -> set[Key]:
    """The runs that have a record which can be read."""
    made = set()
    for path in (folder / store.RECORDS).glob("*.json"):
        with contextlib.suppress(InputError):
            made.add(key_of(store.read_record(path)))
    return made


def _verified(path: Path, results: Path, datasets: dict[str, Data | str]) -> Verified:
    verified = Verified(path)
    try:
        record = store.read_record(path)
    except InputError as error:
        verified.faults.append(error.message)
        return verified
    verified.faults.extend(_of_identity(record, path))
    verified.faults.extend(_of_suite(record))
    if record.predictions is None:
        verified.unseen.append("it names no predictions, so no figure can be computed again")
        return verified
    try:
        arrays = store.read_predictions(results, record)
    except InputError as error:
        if (results / record.predictions["file"]).exists():
            verified.faults.append(error.message)
        else:
            verified.unseen.append(f"{record.predictions['file']} is not here, so no figure can be computed again")
        return verified
    of_arrays = list(_of_arrays(record, arrays))
    verified.faults.extend(of_arrays)
    if not of_arrays:
        verified.faults.extend(_of_figures(record, arrays))
        _compare_data(record, arrays, datasets, verified)
    return verified


def _of_identity(record: ResultRecord, path: Path) -> Iterator[str]:
    if path.stem != record.run_id:
        yield f"the file is called {path.stem}, and holds {record.run_id}"
    fingerprints = [record.data.get("fingerprint"), *dict.fromkeys(row.get("fingerprint") for row in record.ood)]
    expected = id_of(record.config, "+".join(map(str, fingerprints)))
    if not record.run_id.endswith(expected):
        yield f"its id ends in {record.run_id[-12:]}, and its configuration and data give {expected}"


def _of_suite(record: ResultRecord) -> Iterator[str]:
    """A fault if the record claims a suite whose text is another one here."""
    preset = record.preset or {}
    if not preset.get("suite"):
        return
    try:
        suite = load_suite(str(preset.get("name")))
    except CalibenchError:
        return
    if suite.sha256 != preset.get("sha256"):
        yield f"it was made by another version of suite {suite.name}: {str(preset.get('sha256'))[:12]}, here {suite.sha256[:12]}"


def _of_arrays(record: ResultRecord, arrays: Arrays) -> Iterator[str]:
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


def _of_figures(record: ResultRecord, arrays: Arrays) -> Iterator[str]:
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


def _compare_data(record: ResultRecord, arrays: Arrays, datasets: dict[str, Data | str], verified: Verified) -> None:
    """Compare fingerprints, ids and labels of test with the data, where they are here."""
    data = _data_of(record, datasets)
    if isinstance(data, str):
        verified.unseen.append(f"its labels were not compared with the data: {data}")
        return
    if data.clean_fingerprint != record.data.get("clean_fingerprint"):
        verified.faults.append(f"dataset {record.dataset} has another content here than in the run")
        return
    if data.test_fingerprint != record.data.get("test_fingerprint"):
        verified.faults.append("the fingerprint of the test split is not that of the data")
    elif not np.array_equal(data.test.ids, arrays["test.ids"]):
        verified.faults.append("the ids of test are not those of the data")
    elif not np.array_equal(data.test.y, arrays["test.labels"]):
        wrong = int((data.test.y != arrays["test.labels"]).reshape(len(data.test.y), -1).any(axis=1).sum())
        verified.faults.append(f"{wrong} of {len(data.test.y)} labels of test are not those of the data")


def _data_of(record: ResultRecord, datasets: dict[str, Data | str]) -> Data | str:
    """The data of a record, read once for all records; the reason if they are not here."""
    key = f"{record.dataset} {record.noise} {record.seed if record.noise else ''}"
    if key not in datasets:
        try:
            request = RunRequest(dataset=record.dataset, model=record.model, noise=record.noise)
            datasets[key] = load_data(resolve_run(request, "ce", record.seed))
        except CalibenchError as error:
            datasets[key] = error.message
    return datasets[key]


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
