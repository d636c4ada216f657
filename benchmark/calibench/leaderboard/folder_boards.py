"""The boards of a results folder, and the table over its data sets, by the rule of a suite where all runs are of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from calibench.errors import CalibenchError, InputError
from calibench.leaderboard.across import Across, across, base_of
from calibench.leaderboard.boards import Board, boards
from calibench.leaderboard.defaults import RANK_BY, TOLERANCE
from calibench.leaderboard.replicates import Resample
from calibench.leaderboard.suite_names import failed_named_by_suite, named_by_suite
from calibench.leaderboard.suite_runs import runs_of_suite
from calibench.records.failed_cells import FailedCell, read_failed
from calibench.records.record import ResultRecord
from calibench.records.store import read_records

if TYPE_CHECKING:
    from calibench.config.suite import Suite


@dataclass(frozen=True)
class Rule:
    """What ranks. None: what the suite says, else the Brier score and the recipe that most others extend."""

    metric: str | None = None
    base: str | None = None
    tolerance: float = TOLERANCE


@dataclass(frozen=True)
class FolderBoards:
    """The records of a folder, under the names of `suite` if all are of one, and what ranks them."""

    records: Sequence[ResultRecord]
    failed: Sequence[FailedCell]
    boards: Sequence[Board]
    across: Across | None
    """The recipes over all data sets; None if there are not two."""
    suite: Suite | None


def folder_boards(
    folder: Path, rule: Rule, suite: Suite | None, resample: Resample, *, reliability: bool = False
) -> FolderBoards:
    """The boards of a folder; with `suite` those of its runs alone. InputError if there are none.

    Without `suite` that of the records counts, if all of them are of one and this calibench has that version.
    """
    records, failed = read_records(folder), read_failed(folder)
    if not records and not failed:
        raise InputError(f"there are no records under {str(folder)!r}", "run first: calibench run --method vtst")
    suite = suite or suite_of(records)
    if suite is not None:
        records = named_by_suite(runs_of_suite(suite, records, folder))
        failed = failed_named_by_suite(cell for cell in failed if suite.has(cell))
    metric = rule.metric or (suite.primary if suite else RANK_BY)
    there = {record.method for record in records}
    base = rule.base or (suite.base if suite and suite.base in there else None)
    ranked = boards(records, folder, metric, rule.tolerance, base, resample, failed, reliability)
    shared = base or base_of(ranked)
    return FolderBoards(records, failed, ranked, None if shared is None else across(ranked, shared), suite)


def suite_of(records: Sequence[ResultRecord]) -> Suite | None:
    """The suite that all records are of, if this calibench has that version of it."""
    presets = {((record.preset or {}).get("name"), (record.preset or {}).get("sha256")) for record in records}
    if len(presets) != 1 or not records or not (records[0].preset or {}).get("suite"):
        return None
    from calibench.config.suite import load_suite

    name, sha256 = presets.pop()
    try:
        suite = load_suite(str(name))
    except CalibenchError:
        return None
    return suite if suite.sha256 == sha256 else None
