"""A board as a table of a page: the cells of the terminal's table, with what each column is sorted by."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from calibench.lazy import np
from calibench.report.board_columns import board_columns, metric_with_floor, metrics_of
from calibench.report.board_text import notes
from calibench.report.format import NOTHING
from calibench.report.grid import Column
from calibench.report.site.table import Cell, Forest, Head, Line, Recipes, Table, figure_cell, rank_cell

if TYPE_CHECKING:
    from calibench.leaderboard.boards import Board
    from calibench.leaderboard.rows import Row

NO_SORT_KEY = {"method", "verdict", "reliability"}

SCALE_SHARE = 0.8
"""The share of the rows whose intervals of the change fit on the scale of their column; longer ones end at its edge."""


def board_table(
    board: Board, recipes: Recipes, seconds: Mapping[str, float], identity: str, chosen: Sequence[str] = ()
) -> Table:
    """The board with the `chosen` columns or all, and the seconds of each recipe; `identity` is the table's `id` in the page."""
    columns = board_columns(board, metrics_of(board, chosen), chosen)
    scale = _scale(board)
    floor_of = metric_with_floor(board, [column.name for column in columns if column.name in board.units]) or ""
    names = next(number for number, column in enumerate(columns) if column.name == "method")
    heads = [_head(board, column) for column in columns]
    has_seconds = bool(seconds)
    if has_seconds:
        heads.append(Head("seconds", better="lower", hint="training and fitting, mean over seeds"))
    lines = []
    for place, row in enumerate(board.rows):
        cells = [_cell(board, row, column, column.cells[place], (scale, floor_of)) for column in columns]
        cells[names] = Cell(columns[names].cells[place], href=recipes.href.get(row.recipe, ""))
        if has_seconds:
            cells.append(seconds_cell(seconds.get(row.recipe)))
        kinds = recipes.kinds.get(row.recipe, "")
        lines.append(Line(cells, row.recipe.lower(), kinds, base=row.recipe == board.base))
    below = notes(board, columns)
    if scale and any(column.name == "change" for column in columns):
        below.append(
            f"bars of the change: 0 is the dashed line, an end of the scale is {scale:.3g}, and an arrow goes beyond it"
        )
    if has_seconds:
        below.append("seconds: training and fitting, mean over seeds, as if no stage came from the cache")
    return Table(identity, f"Board of {board.dataset}", heads, lines, below, names=names, filtered=True)


def seconds_cell(value: float | None) -> Cell:
    """Seconds with three digits."""
    if value is None:
        return Cell(NOTHING)
    return Cell(f"{value:.0f}" if value >= 100 else f"{value:.3g}", value=value)


def _head(board: Board, column: Column) -> Head:
    if column.name in board.units:
        return Head(column.head, column.left, str(board.units[column.name]["better"]))
    better = str(board.units[board.metric]["better"]) if column.name == "change" else ""
    return Head(column.head, column.left, better or ("" if column.left else "lower"))


def _cell(board: Board, row: Row, column: Column, text: str, of_board: tuple[float, str]) -> Cell:
    """The cell; `of_board` are the scale of changes and the metric whose noise floors the board shows."""
    scale, floor_of = of_board
    if column.name == "rank":
        return rank_cell(row.rank, len(board.rows))
    if column.name in NO_SORT_KEY:
        return Cell(text, mono=column.name == "reliability")
    value = _value(board, row, column.name, floor_of)
    forest = None
    if column.name == "change" and row.change is not None and row.change.interval is not None and scale:
        forest = _forest(row.change.estimate, row.change.interval, scale)
    return dataclasses.replace(figure_cell(text, value), forest=forest)


def _value(board: Board, row: Row, column: str, floor_of: str) -> float | None:
    """What the cell of a column is sorted by. The base's change is 0."""
    if column == "seeds":
        return float(len(row.seeds))
    if column == "seconds":
        return row.seconds
    if column == "change":
        return 0.0 if row.recipe == board.base else None if row.change is None else row.change.estimate
    if column == "floor":
        return row.floors.get(floor_of)
    cell = row.cells.get(board.metric if column == "sd" else column)
    return None if cell is None else cell.sd if column == "sd" else cell.mean


def _scale(board: Board) -> float:
    """The largest change on the scale of the bars; 0 without intervals."""
    reach = [max(map(abs, row.change.interval)) for row in board.rows if row.change and row.change.interval]
    return float(np.quantile(reach, SCALE_SHARE)) if reach else 0.0


def _forest(estimate: float, interval: tuple[float, float], scale: float) -> Forest:
    def place(value: float) -> float:
        return round(50 + 50 * min(max(value / scale, -1.0), 1.0), 1)

    beyond = tuple(
        name
        for name, outside in (
            ("low", interval[0] < -scale),
            ("high", interval[1] > scale),
            ("middle", abs(estimate) > scale),
        )
        if outside
    )
    return Forest(place(interval[0]), place(estimate), place(interval[1]), 50.0, beyond)
