"""The words of a board, which its table and its Markdown share: title, notes, columns and cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from calibench.errors import InputError, did_you_mean
from calibench.report.format import NOTHING, figure, figure_with_interval, header

if TYPE_CHECKING:
    from calibench.leaderboard.boards import Board
    from calibench.leaderboard.rows import Row

COLUMNS = ("accuracy", "nll", "ece15", "coverage", "selective_risk", "brier", "classwise_ece15", "aurc")
"""The metrics that a board shows unless the user names others. A narrow board drops the last first."""

LEFT = ("rank", "method", "seeds")
"""Columns of words, which are aligned left; figures are aligned right."""


def columns_of(board: Board, chosen: Sequence[str] = ()) -> list[str]:
    """The metrics to show: those `chosen`, else those of `COLUMNS` that the board has; always with the one it is ranked by.

    InputError for a chosen metric that the board does not have.
    """
    for name in chosen:
        if name not in board.units:
            raise InputError(f"no record on this board has the metric {name!r}", did_you_mean(name, board.units))
    names = list(chosen) or [name for name in COLUMNS if any(name in row.cells for row in board.rows)]
    return names if board.metric in names else [*names, board.metric]


def title(board: Board) -> str:
    """One line with everything that all rows share."""
    noise = f", noise {board.noise}" if board.noise else ""
    return f"{board.dataset}, model {board.model}{noise}, {board.n_test} test samples, ranked by {board.metric}"


def notes(board: Board) -> list[str]:
    """The lines under a board: its key, versions, and missing parts."""
    backends = sorted({backend for row in board.rows for backend in row.backends})
    reading = (
        "mean over seeds [95 % bootstrap interval over test samples; bias of calibration errors corrected]; "
        "sd: over seeds, ddof 1; floor: mean of a perfectly calibrated model with the same confidences; "
        "rows of one rank differ by less than their paired interval"
    )
    return [reading, f"{'; '.join(board.versions)}; kernels: {', '.join(backends)}", *board.notes]


def head_and_body(board: Board, metrics: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """The column headers, and the cells of each row, as text."""
    columns = [header(name, board.units[name]["unit"]) for name in metrics]
    return ["rank", "method", "seeds", *columns, "sd", "floor"], [_cells(board, row, metrics) for row in board.rows]


def _cells(board: Board, row: Row, metrics: Sequence[str]) -> list[str]:
    unit = board.units[board.metric]["unit"]
    ranked_by, floor = row.cells.get(board.metric), row.floors.get(board.metric)
    return [
        NOTHING if row.rank is None else str(row.rank),
        row.recipe,
        _seeds(row.seeds),
        *(_cell(board, row, name) for name in metrics),
        NOTHING if ranked_by is None or ranked_by.sd is None else figure(ranked_by.sd, unit),
        NOTHING if floor is None else figure(floor, unit),
    ]


def _seeds(seeds: Sequence[int]) -> str:
    """`0,1,2`, or `5 seeds` for more than four."""
    return ",".join(map(str, seeds)) if len(seeds) <= 4 else f"{len(seeds)} seeds"


def _cell(board: Board, row: Row, name: str) -> str:
    if name not in row.cells:
        return NOTHING
    cell = row.cells[name]
    return figure_with_interval(cell.mean, cell.interval, board.units[name]["unit"])
