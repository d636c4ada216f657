"""The columns of a board, which its table and its Markdown share, and the order in which a narrow table drops them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from calibench.errors import InputError, did_you_mean
from calibench.report.format import NOTHING, figure, figure_with_interval, header, printable, signed_with_interval
from calibench.report.grid import Column
from calibench.report.sparkline import sparkline

if TYPE_CHECKING:
    from calibench.leaderboard.boards import Board
    from calibench.leaderboard.rows import Row

COLUMNS = (
    "accuracy",
    "brier",
    "nll",
    "ece15",
    "ece_debiased15",
    "coverage",
    "selective_risk",
    "classwise_ece15",
    "aurc",
)
"""The metrics that a board shows unless the user names others. A narrow board drops the last first."""

BASE = "base"
"""Stands in place of the change of the row that the others are compared with."""

STILL_FALLING = "†"
"""Marks a recipe with a stage whose validation NLL still fell at its end."""

NOT_RANKED = "✗"
"""Marks a recipe that is shown and not ranked: a figure that cannot be, other predictions than the record's, a failed seed."""

FALLS = "↓"
"""Marks an accuracy that is below the base's beyond the paired interval."""


FRONT = "◆"
"""Marks the seconds of a row that no other beats in both figure and cost."""

OTHERS = ("seeds", "change", "sd", "floor", "verdict", "seconds", "reliability")
"""The columns that are no metrics. The last two are shown if they are named, or asked for by `--pareto`."""


def metrics_of(board: Board, chosen: Sequence[str] = ()) -> list[str]:
    """The metrics to show: those among the `chosen` columns, else those that the runs name and those of `COLUMNS`; always with the
    one that orders the board.

    InputError for a chosen column that the board does not have.
    """
    for name in chosen:
        if name not in board.units and name not in OTHERS:
            hint = did_you_mean(name, [*OTHERS, *board.units])
            raise InputError(f"no record on this board has the metric {name!r}", hint)
    if chosen:
        names = [name for name in chosen if name in board.units]
    else:
        names = [name for name in (*board.named, *COLUMNS) if any(name in row.cells for row in board.rows)]
    return list(dict.fromkeys(names if board.metric in names else [board.metric, *names]))


def board_columns(board: Board, metrics: Sequence[str], chosen: Sequence[str] = ()) -> list[Column]:
    """Rank, method and seeds, then the metrics; behind the one that orders the board its change and SD, if any.

    Behind the first metric that has noise floors, or that which orders the board if it has, stand the floors.

    The seconds of a board with a Pareto front stand behind the change, the verdict of the seeds last. With `chosen` names, the
    columns are rank, method, the metric that orders the board, and those that are named, in their order.

    Rank, method and the metric that orders the board are always kept. Of the others the change goes last, before it
    the seconds, the seeds, the first of `metrics`, SD and floor; the last of `metrics` goes first.
    """
    columns = _all_columns(board, metrics)
    if chosen:
        by_name = {column.name: column for column in columns}
        metric = () if board.metric in chosen else (board.metric,)
        always = ("rank", "method", board.metric)
        return [
            by_name[name] if name in always else dataclasses.replace(by_name[name], keep=-float(place))
            for place, name in enumerate(dict.fromkeys(("rank", "method", *metric, *chosen)))
        ]
    shown = {"seconds"} if board.front is not None else set()
    optional = {"change", "sd", "verdict"}
    return [
        column
        for column in columns
        if (column.name not in optional or set(column.cells) - {NOTHING, BASE})
        and (column.name not in ("seconds", "reliability") or column.name in shown)
    ]


def _all_columns(board: Board, metrics: Sequence[str]) -> list[Column]:
    unit = board.units[board.metric]["unit"]
    with_floor = metric_with_floor(board, metrics)
    columns = [
        _column(board, "rank", "rank", _rank, left=True),
        _column(board, "method", "method", _method, left=True),
        _column(board, "seeds", "seeds", _seeds, left=True, keep=2),
    ]
    for place, name in enumerate(metrics):
        head = header(name, board.units[name]["unit"])
        keep = float("inf") if name == board.metric else -float(place)
        columns.append(_column(board, name, head, _cell_of(board, name), keep=keep))
        if name == board.metric:
            columns += [
                _column(board, "change", _change_header(unit), lambda row: _change(board, row), keep=3),
                _column(board, "seconds", "train s", _seconds_of(board), keep=2.5),
                _column(board, "sd", "sd", lambda row: _sd(board, row), keep=-0.5),
            ]
        if name == with_floor:
            head, keep = header("floor", board.units[name]["unit"]), -float(place) - 0.5
            columns.append(_column(board, "floor", head, _floor_of(board, name), keep=keep))
    columns.append(_column(board, "reliability", "reliability", lambda row: sparkline(row.reliability), left=True))
    columns.append(_column(board, "verdict", "verdict", _verdict, left=True, keep=-3.5))
    return columns


def _seconds_of(board: Board) -> Callable[[Row], str]:
    front = board.front or ()

    def cell(row: Row) -> str:
        if row.seconds is None:
            return NOTHING
        return f"{FRONT} {row.seconds:.2f}" if row.recipe in front else f"{row.seconds:.2f}"

    return cell


def metric_with_floor(board: Board, metrics: Sequence[str]) -> str | None:
    """The metric of which a board shows the noise floors: the one that orders it, or the first that has some."""
    first = (name for name in (board.metric, *metrics) if any(name in row.floors for row in board.rows))
    return next(first, None)


def _column(
    board: Board, name: str, head: str, cell: Callable[[Row], str], left: bool = False, keep: float = float("inf")
) -> Column:
    return Column(name, head, tuple(printable(cell(row)) for row in board.rows), left, keep)


def _rank(row: Row) -> str:
    """`1-4`, `3` if both ends are equal, `-` without a rank."""
    if row.rank is None:
        return NOTHING
    best, worst = row.rank
    return str(best) if best == worst else f"{best}-{worst}"


def _method(row: Row) -> str:
    marks = (STILL_FALLING if row.still_falling else "", "" if row.may_rank else NOT_RANKED)
    return " ".join([row.recipe, *filter(None, marks)])


def _seeds(row: Row) -> str:
    """`0,1,2`, or `5 seeds` for more than four; behind them the number of seeds that failed."""
    seeds = ",".join(map(str, row.seeds)) if len(row.seeds) <= 4 else f"{len(row.seeds)} seeds"
    failed = f"{len(row.failed)} failed" if row.failed else ""
    return f"{seeds} ({failed})" if seeds and failed else seeds or failed


def _cell_of(board: Board, name: str) -> Callable[[Row], str]:
    unit = board.units[name]["unit"]

    def cell(row: Row) -> str:
        if name not in row.cells:
            return NOTHING
        of_row = row.cells[name]
        text = figure_with_interval(of_row.mean, of_row.interval, unit)
        return f"{FALLS} {text}" if name == "accuracy" and row.accuracy_falls else text

    return cell


def _change_header(unit: str) -> str:
    """Fractions change by percentage points."""
    return header("change", unit) if unit != "fraction" else "change pp"


def _change(board: Board, row: Row) -> str:
    if row.recipe == board.base:
        return BASE
    if row.change is None:
        return NOTHING
    return signed_with_interval(row.change.estimate, row.change.interval, board.units[board.metric]["unit"])


def _sd(board: Board, row: Row) -> str:
    cell = row.cells.get(board.metric)
    return NOTHING if cell is None or cell.sd is None else figure(cell.sd, board.units[board.metric]["unit"])


VERDICTS = {"miscalibrated": "miscalibrated", "no_sign": "no sign", "too_few": "too few"}
"""The verdicts of records in words."""


def _verdict(row: Row) -> str:
    """The verdict that all seeds share, or how many seeds have which."""
    counts = Counter(VERDICTS.get(word, NOTHING) for word in row.calibrated)
    if len(counts) <= 1:
        return next(iter(counts), NOTHING)
    return ", ".join(f"{count} {word}" for word, count in counts.items())


def _floor_of(board: Board, name: str) -> Callable[[Row], str]:
    unit = board.units[name]["unit"]
    return lambda row: figure(row.floors[name], unit) if name in row.floors else NOTHING
