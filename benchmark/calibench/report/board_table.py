"""A board as a rich table."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from calibench.report.board_columns import board_columns, metrics_of
from calibench.report.board_text import notes, title
from calibench.report.grid import Column
from calibench.report.tables import WIDTH, ruled_table

if TYPE_CHECKING:
    from rich.table import Table

    from calibench.leaderboard.boards import Board

SHARE_OF_METHOD = 3
"""A recipe takes at most one third of the width, or as much as its longest word: longer ones are broken between words."""


def board_table(board: Board, chosen: Sequence[str] = (), width: int = WIDTH) -> Table:
    """The board as a table of `width` characters. Columns that do not fit are left out, and a note names them.

    `chosen` metrics are all shown, at any width. Rows that may be the best are bold.
    """
    from rich.text import Text

    metrics = metrics_of(board, chosen)
    columns = [_broken(column, width // SHARE_OF_METHOD) for column in board_columns(board, metrics, chosen)]
    kept = _fitting(columns, width, set(chosen))
    lines = notes(board, kept)
    left_out = [column.name for column in columns if column not in kept]
    if left_out:
        lines.append(f"no room for {', '.join(left_out)}; a wider terminal and --format markdown show them")
    table = ruled_table(title(board), "\n".join(lines))
    for column in kept:
        justify, no_wrap = "left" if column.left else "right", column.name in {"rank", "method"}
        table.add_column(column.head, justify=justify, no_wrap=no_wrap, overflow="fold")  # type: ignore[arg-type]
    for place, row in enumerate(board.rows):
        style = "bold" if row.rank is not None and row.rank[0] == 1 else ""
        table.add_row(*(Text(column.cells[place]) for column in kept), style=style)
    return table


def _fitting(columns: Sequence[Column], width: int, chosen: set[str]) -> list[Column]:
    """The columns that fit: the least important is left out until they do. `chosen` ones stay."""
    kept = list(columns)
    while sum(column.width + 3 for column in kept) + 1 > width:
        droppable = [c for c in kept if c.keep < float("inf") and c.name not in chosen]
        if not droppable:
            break
        kept.remove(min(reversed(droppable), key=lambda column: column.keep))
    return kept


def _broken(column: Column, most: int) -> Column:
    """The column of methods with recipes in lines of at most `most` characters, broken before `+` and after `,` or `;`."""
    if column.name != "method":
        return column
    words = [re.findall(r"\+?[^+,;]+[,;]?|.", cell) for cell in column.cells]
    most = max(most, *(len(word) for of_cell in words for word in of_cell), len(column.head))
    return dataclasses.replace(column, cells=tuple(_lines(of_cell, most) for of_cell in words))


def _lines(words: Sequence[str], most: int) -> str:
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) > most:
            lines.append("")
        lines[-1] += word
    return "\n".join(lines)
