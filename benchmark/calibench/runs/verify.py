"""Verify stored runs: every figure again from the predictions, every digest, and labels against the data where they are here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from calibench.config.request import RunRequest
from calibench.config.resolve import resolve_run
from calibench.config.run_config import id_of
from calibench.config.suite import load_suite
from calibench.data.load import load_data
from calibench.data.prepare import Data
from calibench.errors import CalibenchError, InputError
from calibench.records import store
from calibench.records.failed_cells import FILE as FAILED
from calibench.records.failed_cells import Key, key_of
from calibench.records.record import ResultRecord
from calibench.runs.figures_again import Arrays, faults_of_arrays, faults_of_figures, faults_of_labels
from calibench.runs.verify_failed import faults_of_failed


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
    verified.faults.extend(faults_of_arrays(record, arrays))
    if not verified.faults:
        verified.faults.extend(faults_of_figures(record, arrays))
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
    else:
        verified.faults.extend(faults_of_labels(data, arrays))


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
