"""Boards: records of one dataset, model and noise, one row a recipe, ranked by one metric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibench.errors import InputError, did_you_mean
from calibench.leaderboard.rank_bands import with_ranks
from calibench.leaderboard.replicates import read_replicates
from calibench.leaderboard.rows import Row, unranked_row
from calibench.records.record import ResultRecord

RANK_BY = "ece15"

Units = dict[str, dict[str, Any]]
"""As in a record: for each metric its unit, the better direction, and whether it may rank."""


@dataclass(frozen=True)
class Board:
    """Rows that share data, model and noise, ranked by `metric`; `notes` are facts that a reader must know."""

    dataset: str
    model: str
    noise: str | None
    n_test: int
    metric: str
    units: Units
    rows: tuple[Row, ...]
    versions: tuple[str, ...]
    notes: tuple[str, ...]


def boards(records: Iterable[ResultRecord], results: Path, metric: str = RANK_BY) -> list[Board]:
    """One board for each combination of data, model and noise among `records`, ranked by `metric`.

    The replicates of a row are the mean over its seeds, resample by resample, so an interval is about the test samples;
    the SD beside it is about the seeds. `calibench.leaderboard.rank_bands` says which rows share a rank. Records of data that do
    not have the metric, as `soft_nll` needs soft labels, make no board.

    Raises InputError for a metric that no record has, or that may not rank.
    """
    groups = _by_protocol(records)
    with_metric = [group for group in groups if any(metric in record.units for record in group)]
    return [_board(group, results, metric) for group in with_metric or groups]


def _by_protocol(records: Iterable[ResultRecord]) -> list[list[ResultRecord]]:
    """Records in groups that share data, model and noise. Two paths to equal data are one dataset."""
    groups: dict[tuple[str, str, str], list[ResultRecord]] = {}
    for record in records:
        content = record.data.get("clean_fingerprint") or record.dataset
        groups.setdefault((str(content), record.model, record.noise or ""), []).append(record)
    return sorted(groups.values(), key=lambda group: (group[0].dataset, group[0].model, group[0].noise or ""))


def _board(records: Sequence[ResultRecord], results: Path, metric: str) -> Board:
    units: Units = {}
    for record in records:
        units |= record.units
    _check_metric(metric, units)
    runs = _newest_runs(records, metric)
    replicates, missing = read_replicates(runs, results)
    rows = [unranked_row(recipe, seeds, units, replicates.get(recipe, {})) for recipe, seeds in runs.items()]
    rows = _best_first(rows, metric, units)
    return Board(
        dataset=records[0].dataset,
        model=records[0].model,
        noise=records[0].noise,
        n_test=records[0].n["test"],
        metric=metric,
        units=units,
        rows=with_ranks(rows, metric, {recipe: by_metric.get(metric) for recipe, by_metric in replicates.items()}),
        versions=_versions(records),
        notes=(*missing, *_notes_on_rows(rows, runs), *_notes_on_data(records)),
    )


def _check_metric(metric: str, units: Units) -> None:
    if metric not in units:
        raise InputError(f"no record has the metric {metric!r}", did_you_mean(metric, units))
    if not units[metric].get("rankable", True):
        hint = f"its spec says that no order follows from it, as of MCE; rank by {RANK_BY}, nll or another"
        raise InputError(f"{metric} is shown but never ranked by", hint)


def _newest_runs(records: Iterable[ResultRecord], metric: str) -> dict[str, list[ResultRecord]]:
    """For each recipe its records, one a seed: of several runs the newest that has the metric, else the newest."""
    newest: dict[tuple[str, int], ResultRecord] = {}
    for record in sorted(records, key=lambda r: (metric in r.metrics, r.created)):
        newest[record.recipe, record.seed] = record
    runs: dict[str, list[ResultRecord]] = {}
    for recipe, seed in sorted(newest):
        runs.setdefault(recipe, []).append(newest[recipe, seed])
    return runs


def _best_first(rows: Iterable[Row], metric: str, units: Units) -> list[Row]:
    """Rows sorted from best to worst, then by recipe; those without the metric last."""
    sign = -1.0 if units[metric]["better"] == "higher" else 1.0

    def key(row: Row) -> tuple[float, str]:
        return sign * row.cells[metric].mean if metric in row.cells else math.inf, row.recipe

    return sorted(rows, key=key)


def _versions(records: Iterable[ResultRecord]) -> tuple[str, ...]:
    names = {f"calibench {r.versions.get('calibench')}, torch {r.versions.get('torch')}" for r in records}
    return tuple(sorted(names))


def _notes_on_rows(rows: Sequence[Row], runs: Mapping[str, Sequence[ResultRecord]]) -> Iterator[str]:
    """Notes on rows that are not comparable: other seeds, or a shift or OOD set of one name with other content."""
    if len({row.seeds for row in rows}) > 1:
        yield "the rows do not all have the same seeds"
    digests: dict[str, set[str]] = {}
    for records in runs.values():
        for record in records:
            for name, digest in _shift_and_ood_digests(record):
                digests.setdefault(name, set()).add(digest)
    for name, different in digests.items():
        if len(different) > 1:
            yield f"not all rows were judged on the same {name}"


def _shift_and_ood_digests(record: ResultRecord) -> Iterator[tuple[str, str]]:
    """The name of each OOD set and shift of a run, and a digest of its rows or files."""
    for row in record.ood:
        yield f"OOD set {row.get('set')}", str(row.get("fingerprint"))
    shifts = record.data.get("shift")
    for shift in shifts if isinstance(shifts, list) else ():
        if isinstance(shift, Mapping):
            yield f"shift {shift.get('shift')}", str(shift.get("files"))


def _notes_on_data(records: Iterable[ResultRecord]) -> list[str]:
    """The notes of the datasets, each once."""
    notes = (record.data.get("notes") for record in records)
    return list(dict.fromkeys(str(note) for listed in notes if isinstance(listed, list) for note in listed))
