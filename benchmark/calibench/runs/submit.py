"""Entries for a leaderboard: records with the predictions that every figure follows from, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibench.atomic import writable_folders
from calibench.errors import InputError
from calibench.records import store
from calibench.records.record import ResultRecord

TEST = "test."


def submit(records: Iterable[ResultRecord], results: Path, target: Path) -> list[ResultRecord]:
    """Write each record under `target`, with its scores, labels, ids and decisions of test; returns the records as written.

    Left out are the outputs on cal and the bootstrap replicates, which follow from the rest: `leaderboard` and `verify` compute
    them again. InputError for a record without predictions, before anything is written.
    """
    chosen = list(records)
    without = next((record for record in chosen if record.predictions is None), None)
    if without is not None:
        raise InputError(f"run {without.run_id} has no predictions", "run it again with --force")
    writable_folders([target / store.RECORDS, target / store.PREDICTIONS])
    written = []
    for record in chosen:
        arrays = store.read_predictions(results, record)
        kept = {name: _narrowed(name, array) for name, array in arrays.items() if name.startswith(TEST)}
        written.append(store.write_run(target, record, kept))
    return written


def _narrowed(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Labels and ids in as few bytes as their largest one needs, other arrays as they are."""
    if not name.endswith(store.INDICES) or array.size == 0 or array.min() < 0:
        return array
    return array.astype(np.min_scalar_type(int(array.max())))
