"""Verify stored runs: every figure again from the predictions, every digest, and labels against the data where they are here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from calibench.config.request import RunRequest
from calibench.config.resolve import resolve_run
from calibench.data.load import load_data
from calibench.data.prepare import Data
from calibench.errors import CalibenchError, InputError
from calibench.leaderboard.faults import faults_of
from calibench.records import store
from calibench.records.failed_cells import FILE as FAILED
from calibench.records.failed_cells import FailedCell, key_of, read_failed
from calibench.records.record import ResultRecord
from calibench.runs.figures_again import Arrays, faults_of_arrays, faults_of_figures, faults_of_labels, unseen_figures
from calibench.runs.verify_claims import Suites, faults_of_claims
from calibench.runs.verify_failed import faults_of_failed
from calibench.runs.verify_folder import missing_of_suites


@dataclass(frozen=True)
class Verified:
    """One record: the `faults` that were found, and what could not be looked at (`unseen`), a sentence each."""

    path: Path
    faults: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


def verify(results: Path) -> Iterator[Verified]:
    """Each record of a results folder, or of the folders in it, its failed cells, and whether its suites are whole.

    InputError if there are no records.
    """
    datasets: dict[str, Data | str] = {}
    suites: Suites = {}
    for folder in store.folders_of(results):
        paths = sorted((folder / store.RECORDS).glob("*.json"))
        if not paths and not (folder / FAILED).is_file():
            raise InputError(f"there are no records under {str(folder)!r}", "name a folder that holds records/")
        for path in paths:
            yield _verified(path, folder, datasets, suites)
        records = list(_readable(paths))
        if (folder / FAILED).is_file():
            made = {key_of(record) for record in records}
            yield Verified(folder / FAILED, list(faults_of_failed(folder / FAILED, made)))
        missing = list(missing_of_suites(records, _failed(folder), suites))
        if missing:
            yield Verified(folder, unseen=missing)


def _readable(paths: Iterable[Path]) -> Iterator[ResultRecord]:
    for path in paths:
        with contextlib.suppress(InputError):
            yield store.read_record(path)


def _failed(folder: Path) -> list[FailedCell]:
    """The failed cells of a folder; none if their file cannot be read, which is a fault of its own."""
    try:
        return read_failed(folder)
    except InputError:
        return []


def _verified(path: Path, results: Path, datasets: dict[str, Data | str], suites: Suites) -> Verified:
    verified = Verified(path)
    try:
        record = store.read_record(path)
    except InputError as error:
        verified.faults.append(error.message)
        return verified
    verified.faults.extend(faults_of_claims(record, path, suites))
    if record.predictions is None:
        verified.faults.extend(faults_of(record))
        verified.unseen.append("it names no predictions, so no figure can be computed again")
        return verified
    try:
        arrays = store.read_predictions(results, record)
    except InputError as error:
        if (results / record.predictions["file"]).exists():
            verified.faults.append(error.message)
        else:
            verified.faults.extend(faults_of(record))
            verified.unseen.append(f"{record.predictions['file']} is not here, so no figure can be computed again")
        return verified
    of_arrays = list(faults_of_arrays(record, arrays))
    verified.faults.extend(of_arrays)
    if not of_arrays:
        verified.faults.extend(faults_of_figures(record, arrays))
        verified.unseen.extend(unseen_figures(record))
        _compare_data(record, arrays, datasets, verified)
    return verified


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
