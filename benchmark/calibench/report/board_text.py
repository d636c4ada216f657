"""The title of a board and the notes under it, which its table and its Markdown share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from calibench.report.board_columns import (
    FALLS,
    FRONT,
    NOT_RANKED,
    STILL_FALLING,
    board_columns,
    metric_with_floor,
    metrics_of,
)
from calibench.report.format import printable
from calibench.report.grid import Column, Grid
from calibench.report.sparkline import BARS, NO_BAR

if TYPE_CHECKING:
    from calibench.leaderboard.boards import Board
    from calibench.leaderboard.rows import Row


def board_grid(board: Board, chosen: Sequence[str] = ()) -> Grid:
    """The board with all its columns, or the `chosen` ones, before it has a form."""
    columns = board_columns(board, metrics_of(board, chosen), chosen)
    return Grid(title(board), tuple(columns), tuple(notes(board, columns)))


def title(board: Board) -> str:
    """One line with everything that all rows share."""
    noise = f", noise {board.noise}" if board.noise else ""
    order = f"{'ranked by' if has_ranks(board) else 'in the order of'} {board.metric}"
    if board.sorted_by is not None:
        order = f"{order}, shown by {board.sorted_by}" if has_ranks(board) else f"in the order of {board.sorted_by}"
    place = f"{board.folder}: " if board.folder else ""
    return printable(f"{place}{board.dataset}, model {board.model}{noise}, {board.n_test} test samples, {order}")


def notes(board: Board, columns: Sequence[Column]) -> list[str]:
    """The lines under a board with these columns: how to read it, versions, and missing parts."""
    backends = sorted({backend for row in board.rows for backend in row.backends})
    made_by = f"{'; '.join(board.versions)}; kernels: {', '.join(backends)}"
    lines = [*_reading(board, columns), *_not_ranked(board.rows), made_by, *board.notes]
    return [printable(line) for line in lines]


def _reading(board: Board, columns: Sequence[Column]) -> Iterator[str]:
    names = [column.name for column in columns]
    parts = [_figures(board, names)]
    if "sd" in names:
        parts.append(f"sd: of {board.metric} over seeds, ddof 1")
    if "floor" in names:
        floor = metric_with_floor(board, [name for name in names if name in board.units])
        parts.append(f"floor: mean {floor} of a perfectly calibrated model with the same confidences")
    yield "; ".join(parts)
    over = "test samples and seeds" if any(len(row.seeds) > 1 for row in board.rows) else "test samples"
    if has_ranks(board):
        yield (
            f"rank: all true ranks lie in these intervals at a joint level of 95 %, over {over}; "
            f"figures that differ by {board.tolerance:g} or less are equal"
        )
    if "change" in names:
        interval = f" [95 % paired interval over {over}, each by itself]" if _has_intervals(board) else ""
        points = ", in percentage points" if board.units[board.metric]["unit"] == "fraction" else ""
        yield f"change: {board.metric} less that of {board.base}{points}{interval}"
    if "seconds" in names:
        yield from _on_seconds(board)
    if "reliability" in names:
        yield (
            f"reliability: accuracy less confidence in ten bins of confidence; {BARS[3]} within 2.5 points, each bar up "
            f"(right more often than sure) or down 5 more; {NO_BAR} under ten samples"
        )
    fallen = [row.recipe for row in board.rows if row.accuracy_falls]
    if fallen:
        yield f"{FALLS} accuracy is below that of {board.base} beyond its paired interval: {', '.join(fallen)}"
    falling = dict.fromkeys(stage for row in board.rows for stage in row.still_falling)
    if falling:
        stages = f"training of {', '.join(falling)}"
        lowest = "the validation NLL was lowest in the last 5 % of the epochs"
        yield f"{STILL_FALLING} {stages}: {lowest}; longer training may change the row"
    yield from _without_interval(board, names)


def _on_seconds(board: Board) -> Iterator[str]:
    machines = f" on {board.machines[0]}" if len(board.machines) == 1 else ", on several machines: do not compare them"
    yield f"train s: wall-clock seconds of training and fitting, mean over seeds{machines}"
    if board.front is not None:
        yield f"{FRONT} no row has both a better {board.metric} and fewer seconds, by the figures without their intervals"


def _figures(board: Board, names: Sequence[str]) -> str:
    """What a figure and its brackets are; nothing of intervals where no row has one."""
    several = any(len(row.seeds) > 1 for row in board.rows)
    with_interval = [row for row in board.rows if any(n in row.cells and row.cells[n].interval for n in names)]
    levels = " or ".join(f"{100 * level:g} %" for level in sorted({x for row in with_interval for x in row.levels}))
    bounds = ": mean of the seeds' bounds" if several else ""
    interval = f" [{levels} interval of the population value, over test samples{bounds}]" if with_interval else ""
    return f"{'mean over seeds' if several else 'one seed a row'}{interval}"


def _not_ranked(rows: Sequence[Row]) -> Iterator[str]:
    """Why rows may not rank: their first fault, and each reason for which seeds failed."""
    for row in rows:
        more = f", and {len(row.faults) - 1} more such faults" if len(row.faults) > 1 else ""
        if row.faults:
            yield f"{NOT_RANKED} {row.recipe} is not ranked: {row.faults[0]}{more}"
        for reason in dict.fromkeys(failed.reason for failed in row.failed):
            seeds = [str(failed.seed) for failed in row.failed if failed.reason == reason]
            which = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)}"
            yield f"{NOT_RANKED} {row.recipe} is not ranked: {which} failed: {reason}"


def _without_interval(board: Board, names: Sequence[str]) -> Iterator[str]:
    """Why rows have no interval of a shown metric, once for each reason."""
    metrics_of: dict[str, dict[str, None]] = {}
    recipes_of: dict[str, dict[str, None]] = {}
    for row in board.rows:
        for name in names:
            if name in row.no_interval and name in row.cells and row.cells[name].interval is None:
                reason = (
                    row.no_interval[name] if len(row.seeds) == 1 else f"in one of the seeds, {row.no_interval[name]}"
                )
                metrics_of.setdefault(reason, {})[name] = None
                recipes_of.setdefault(reason, {})[row.recipe] = None
    for reason, recipes in recipes_of.items():
        whom = "" if len(recipes) == len(board.rows) else f" for {', '.join(recipes)}"
        yield f"no interval of {', '.join(metrics_of[reason])}{whom}: {reason}"


def has_ranks(board: Board) -> bool:
    """True if some row has a rank."""
    return any(row.rank is not None for row in board.rows)


def _has_intervals(board: Board) -> bool:
    return any(row.change is not None and row.change.interval is not None for row in board.rows)
