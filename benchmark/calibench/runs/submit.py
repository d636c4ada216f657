"""Entries for a leaderboard: records with the predictions that every figure follows from, and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibench.atomic import writable_folders
from calibench.config.suite import Suite
from calibench.errors import InputError
from calibench.records import store
from calibench.records.failed_cells import (
    FILE,
    FailedCell,
    read_failed,
    read_failed_file,
    without_record,
    write_failed_file,
)
from calibench.records.record import ResultRecord
from calibench.runs.verify_failed import keys_of

TEST = "test."


def failed_of(suite: Suite, results: Path) -> list[FailedCell]:
    """The runs of a suite that failed in a results folder, each with the version of the suite."""
    own = keys_of(suite)
    failed = [cell for cell in read_failed(results) if cell.suite == suite.name and cell.key in own]
    return [dataclasses.replace(cell, sha256=suite.sha256) for cell in failed]


def submit(
    records: Iterable[ResultRecord], results: Path, target: Path, failed: Iterable[FailedCell] = ()
) -> list[ResultRecord]:
    """Write each record under `target`, with its scores, labels, ids and decisions of test; returns the records as written.

    Left out are the outputs on cal and the bootstrap replicates, which follow from the rest: `leaderboard` and `verify` compute
    them again. Runs that `failed` and have no record stand in `failed.json`, with those that are there already. InputError for a
    record without predictions, before anything is written.
    """
    if target.resolve() == results.resolve():
        raise InputError(
            f"{str(target)!r} holds the runs themselves", "name another folder; entries have less than runs"
        )
    chosen = list({record.run_id: record for record in records}.values())
    without = next((record for record in chosen if record.predictions is None), None)
    if without is not None:
        raise InputError(f"run {without.run_id} has no predictions", "run it again with --force")
    writable_folders([target / store.RECORDS, target / store.PREDICTIONS])
    written = []
    for record in chosen:
        arrays = store.read_predictions(results, record)
        kept = {name: _narrowed(name, array) for name, array in arrays.items() if name.startswith(TEST)}
        written.append(store.write_run(target, record, kept))
    before = read_failed_file(target / FILE) if (target / FILE).is_file() else []
    write_failed_file(target / FILE, without_record([*before, *failed], store.read_records(target)))
    return written


def _narrowed(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Labels and ids in as few bytes as their largest one needs, other arrays as they are."""
    if not name.endswith(store.INDICES) or array.size == 0 or array.min() < 0:
        return array
    return array.astype(np.min_scalar_type(int(array.max())))
