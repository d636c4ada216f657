"""Boards: records of one dataset, model and noise, one row a recipe, in the order of one metric, with rank intervals."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from calibench.errors import InputError, did_you_mean
from calibench.leaderboard.base import default_base
from calibench.leaderboard.board_ranks import (
    ACCURACY,
    FiguresOf,
    figures_of,
    notes_on_ranks,
    ranks_of,
    with_changes,
    with_ranks,
)
from calibench.leaderboard.cost import machine_of, mean_seconds
from calibench.leaderboard.defaults import RANK_BY, TOLERANCE
from calibench.leaderboard.faults import faults_of
from calibench.leaderboard.rank_intervals import LEVEL, check_rule
from calibench.leaderboard.reliability_gaps import reliability_gaps
from calibench.leaderboard.replicates import Replicates, Resample, read_replicates
from calibench.leaderboard.rows import FailedSeed, Row, unranked_row
from calibench.leaderboard.units import Units, check_metric, note_on_order, units_of
from calibench.records.failed_cells import FailedCell, without_record
from calibench.records.record import ResultRecord


@dataclass(frozen=True)
class Rule:
    """How a board is made: the metric that orders it, the tolerance of practical equality, the base that the user named, and
    whether predictions are read for the gaps of a reliability diagram."""

    metric: str = RANK_BY
    tolerance: float = TOLERANCE
    base: str | None = None
    reliability: bool = False


@dataclass(frozen=True)
class Board:
    """Rows that share data, model and noise, in the order of `metric`; `notes` are facts that a reader must know.

    `base` is the recipe that the others are compared with, if there is one; rows that differ by `tolerance` or less are equal.
    """

    dataset: str
    model: str
    noise: str | None
    n_test: int
    metric: str
    tolerance: float
    base: str | None
    units: Units
    rows: tuple[Row, ...]
    versions: tuple[str, ...]
    notes: tuple[str, ...]
    named: tuple[str, ...] = ()
    """The metrics that the user named for the runs, as `run --metrics` and suites do."""
    group: str = ""
    """The data set that counts in a table over all of them; several boards may share it, as outputs of several classifiers do."""
    machines: tuple[str, ...] = ()
    """Those that the rows' runs were made on."""
    front: tuple[str, ...] | None = None
    """The recipes on the Pareto front of figure and seconds; None if it was not asked for, or cannot be told."""
    sorted_by: str | None = None
    """The metric (behind `-` if from high to low), or `name`, that the user sorted the rows by."""
    folder: str | None = None
    """The folder of the records, where boards of several folders are shown together."""


def boards(
    records: Iterable[ResultRecord],
    results: Path,
    metric: str = RANK_BY,
    tolerance: float = TOLERANCE,
    base: str | None = None,
    resample: Resample | None = None,
    failed: Iterable[FailedCell] = (),
    reliability: bool = False,
) -> list[Board]:
    """One board for each combination of data, model and noise among `records`, in the order of `metric`.

    The replicates of a row are the mean over its seeds, resample by resample, so ranks and changes are about the test samples;
    the SD beside it is about the seeds. Ranks are those of `rank_intervals`, over samples and seeds, among the rows with
    replicates; a metric that is `order_only` gives none. Rows that differ by `tolerance` or less are equal. Each row has its
    change against the `base`: by default the recipe that most others extend. Records of data that do not have the metric, as
    `soft_nll` needs soft labels, make no board.

    `resample` makes the replicates of runs that were stored with their predictions alone. A cell that `failed` and has no record
    is shown in its row. Rows with such a cell, with figures that cannot be, or with predictions that are not those of their
    record, come last, and have no rank and no change.

    Raises InputError for a metric that no record has or that orders no board, a base that no record has, a tolerance below 0.
    """
    check_rule("lower", LEVEL, tolerance)
    groups = _by_protocol(records)
    with_metric = [group for group in groups if any(metric in record.units for record in group)]
    recipes = {record.method for group in groups for record in group}
    if base is not None and groups and base not in recipes:
        raise InputError(f"no record has the recipe {base!r}", did_you_mean(base, recipes))
    lost = without_record(failed, (record for group in groups for record in group))
    rule = Rule(metric, tolerance, base, reliability)
    return [_board(group, results, rule, resample, _on_board(lost, group)) for group in with_metric or groups]


def _by_protocol(records: Iterable[ResultRecord]) -> list[list[ResultRecord]]:
    """Records in groups that share data, model and noise. Two paths to equal data are one dataset."""
    groups: dict[tuple[str, str, str], list[ResultRecord]] = {}
    for record in records:
        content = record.data.get("clean_fingerprint") or record.dataset
        groups.setdefault((str(content), record.model, record.noise or ""), []).append(record)
    return sorted(groups.values(), key=lambda group: (group[0].dataset, group[0].model, group[0].noise or ""))


def _on_board(failed: Iterable[FailedCell], records: Sequence[ResultRecord]) -> dict[str, list[FailedSeed]]:
    """The failed seeds of each recipe under the protocol that `records` share."""
    datasets, first = {record.dataset for record in records}, records[0]
    seeds: dict[str, list[FailedSeed]] = {}
    for cell in failed:
        if cell.dataset in datasets and (cell.model, cell.noise) == (first.model, first.noise):
            seeds.setdefault(cell.recipe, []).append(FailedSeed(cell.seed, cell.message))
    return seeds


def _board(
    records: Sequence[ResultRecord],
    results: Path,
    rule: Rule,
    resample: Resample | None,
    failed: Mapping[str, Sequence[FailedSeed]],
) -> Board:
    units = units_of(records)
    check_metric(rule.metric, units)
    runs = _newest_runs(records, rule.metric)
    replicates, missing, changed = read_replicates(runs, results, {rule.metric, ACCURACY}, resample)
    rows = [unranked_row(recipe, runs.get(recipe, ()), units) for recipe in dict.fromkeys((*runs, *failed))]
    rows = _best_first(_with_what_is_wrong(rows, runs, changed, failed), rule.metric, units)
    ranked = {row.recipe: runs[row.recipe] for row in rows if row.may_rank}
    figures = figures_of(rule.metric, ranked, replicates)
    order_only = bool(units[rule.metric]["order_only"])
    if not order_only:
        rows = with_ranks(rows, ranks_of(figures, units[rule.metric]["better"], rule.tolerance))
    if rule.reliability:
        rows = [
            dataclasses.replace(row, reliability=reliability_gaps(runs.get(row.recipe, ()), results)) for row in rows
        ]
    base, on_base = _base(rule.base, runs)
    if base is not None:
        rows = with_changes(rows, base, figures, figures_of(ACCURACY, ranked, replicates), order_only=order_only)
        if base not in ranked:
            on_base = [f"no changes: {base} is not ranked"]
    return Board(
        dataset=records[0].dataset,
        model=records[0].model,
        noise=records[0].noise,
        n_test=records[0].n["test"],
        metric=rule.metric,
        tolerance=rule.tolerance,
        base=base,
        units=units,
        rows=tuple(rows),
        versions=_versions(records),
        notes=(
            *missing,
            *_notes_on_ranks(rule.metric, units, figures, replicates),
            *on_base,
            *_notes_on_rows(rows, runs),
            *_notes_on_data(records),
        ),
        named=tuple(dict.fromkeys(name for record in records for name in record.named_metrics)),
        group=str(records[0].data.get("group") or records[0].dataset),
        machines=tuple(sorted({machine_of(record) for of_row in runs.values() for record in of_row})),
    )


def _with_what_is_wrong(
    rows: Iterable[Row],
    runs: Mapping[str, Sequence[ResultRecord]],
    changed: Mapping[str, str],
    failed: Mapping[str, Sequence[FailedSeed]],
) -> list[Row]:
    """The rows with their faults, failed seeds and seconds."""
    checked = []
    for row in rows:
        found = [f"seed {record.seed}: {fault}" for record in runs.get(row.recipe, ()) for fault in faults_of(record)]
        faults = tuple(found) or ((changed[row.recipe],) if row.recipe in changed else ())
        lost = tuple(failed.get(row.recipe, ()))
        seconds = mean_seconds(runs.get(row.recipe, ()))
        checked.append(dataclasses.replace(row, faults=faults, failed=lost, seconds=seconds))
    return checked


def _base(named: str | None, runs: Mapping[str, Sequence[ResultRecord]]) -> tuple[str | None, list[str]]:
    """The base of a board, and a note if there is none."""
    if named is not None:
        return (named, []) if named in runs else (None, [f"no changes: no row is called {named}"])
    base = default_base({recipe: records[0] for recipe, records in runs.items()})
    if base is None and len(runs) > 1:
        return None, ["no changes: no recipe extends another; --base names the one to compare with"]
    return base, []


def _notes_on_ranks(
    metric: str, units: Units, figures: FiguresOf, replicates: Mapping[str, Replicates]
) -> Iterator[str]:
    if units[metric]["order_only"]:
        yield note_on_order(metric, units)
    else:
        yield from notes_on_ranks(metric, figures, replicates)


def _newest_runs(records: Iterable[ResultRecord], metric: str) -> dict[str, list[ResultRecord]]:
    """For each recipe its records, one a seed: of several runs the newest that has the metric, else the newest."""
    newest: dict[tuple[str, int], ResultRecord] = {}
    for record in sorted(records, key=lambda r: (metric in r.metrics, r.created)):
        newest[record.method, record.seed] = record
    runs: dict[str, list[ResultRecord]] = {}
    for recipe, seed in sorted(newest):
        runs.setdefault(recipe, []).append(newest[recipe, seed])
    return runs


def _best_first(rows: Iterable[Row], metric: str, units: Units) -> list[Row]:
    """Rows sorted from best to worst, then by recipe; those without the metric behind them, those that may not rank last."""
    sign = -1.0 if units[metric]["better"] == "higher" else 1.0

    def key(row: Row) -> tuple[bool, float, str]:
        return not row.may_rank, sign * row.cells[metric].mean if metric in row.cells else math.inf, row.recipe

    return sorted(rows, key=key)


def _versions(records: Iterable[ResultRecord]) -> tuple[str, ...]:
    names = {f"calibench {r.versions.get('calibench')}, torch {r.versions.get('torch')}" for r in records}
    return tuple(sorted(names))


def _notes_on_rows(rows: Sequence[Row], runs: Mapping[str, Sequence[ResultRecord]]) -> Iterator[str]:
    """Notes on rows that are not comparable: other seeds, or a shift or OOD set of one name with other content."""
    if len({row.seeds for row in rows if row.seeds}) > 1:
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
