"""Boards as CSV: one line for each metric of each row, with stored figures (fractions, not percent)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from calibench.report.format import guarded

if TYPE_CHECKING:
    from calibench.leaderboard.boards import Board
    from calibench.leaderboard.rows import Row

HEAD = (
    *("folder", "dataset", "model", "noise", "n_test", "ranked_by"),
    *("rank_best", "rank_worst", "method", "seeds"),
    *("calibrated", "still_falling", "failed_seeds", "faults"),
    *("base", "change", "change_low", "change_high", "accuracy_falls"),
    *("seconds", "front"),
    *("metric", "unit", "mean", "sd", "low", "high", "floor"),
)
"""`change` is that of the metric `ranked_by` against `base`, on every line of a row, as its rank is."""


def boards_csv(boards: Sequence[Board]) -> str:
    """Every cell of every board as one long table. An undefined figure is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEAD)
    for board in boards:
        writer.writerows(_lines(board))
    return text.getvalue()


def _lines(board: Board) -> Iterator[tuple[object, ...]]:
    """The lines with guarded texts; what the lines of a row share is guarded once."""
    units = {name: guarded(unit["unit"]) for name, unit in board.units.items()}
    names = {name: guarded(name) for name in board.units}
    protocol = (board.folder or "", board.dataset, board.model, board.noise or "", board.n_test, board.metric)
    for row in board.rows:
        method = (*(row.rank or ("", "")), row.recipe, ";".join(map(str, row.seeds)), ";".join(row.calibrated))
        failed = ";".join(str(failed.seed) for failed in row.failed)
        method = (*method, ";".join(row.still_falling), failed, "; ".join(row.faults))
        compared = (board.base or "", *_change(row), str(row.accuracy_falls).lower())
        front = "" if board.front is None else str(row.recipe in board.front).lower()
        compared = (*compared, "" if row.seconds is None else row.seconds, front)
        shared = [guarded(cell) for cell in (*protocol, *method, *compared)]
        if not row.cells:
            yield (*shared, *[""] * 7)
        for name, cell in row.cells.items():
            sd = "" if cell.sd is None else cell.sd
            low, high = cell.interval or ("", "")
            yield (*shared, names[name], units[name], cell.mean, sd, low, high, row.floors.get(name, ""))


def _change(row: Row) -> tuple[object, ...]:
    """The change and its interval; empty cells where there is none."""
    return ("", "", "") if row.change is None else (row.change.estimate, *(row.change.interval or ("", "")))
