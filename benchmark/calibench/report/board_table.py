"""A board as a rich table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from calibench.report.board_columns import board_columns, metrics_of
from calibench.report.board_text import notes, title
from calibench.report.fit_width import fitted
from calibench.report.tables import WIDTH, ruled_table

if TYPE_CHECKING:
    from rich.table import Table

    from calibench.leaderboard.boards import Board
    from calibench.report.grid import Column


def board_table(board: Board, chosen: Sequence[str] = (), width: int = WIDTH) -> Table:
    """The board as a table of `width` characters. Columns that do not fit are left out, and a note names them.

    Of `chosen` columns, intervals move below their figures first. Rows that may be the best are bold.
    """
    metrics = metrics_of(board, chosen)
    columns, left_out = fitted(board_columns(board, metrics, chosen), "method", width, stack=bool(chosen))
    lines = notes(board, columns)
    if left_out:
        lines.append(f"no room for {', '.join(left_out)}; a wider terminal and --format markdown show them")
    styles = ["bold" if row.rank is not None and row.rank[0] == 1 else "" for row in board.rows]
    return table_of(title(board), columns, lines, styles)


def table_of(title: str, columns: Sequence[Column], lines: Sequence[str], styles: Sequence[str]) -> Table:
    """A ruled table of columns that fit, with the style of each row."""
    from rich.text import Text

    table = ruled_table(title, "\n".join(lines))
    for column in columns:
        justify = "left" if column.left else "right"
        table.add_column(column.head, justify=justify, no_wrap=True, overflow="fold")  # type: ignore[arg-type]
    for place, style in enumerate(styles):
        table.add_row(*(Text(column.cells[place]) for column in columns), style=style)
    return table
