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


GAP = "   "
"""Between two columns."""


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
    """A ruled table of columns that fit, with the style of each row.

    A row is one text: rich takes ten times as long for ten cells, seconds for a board of thousands of rows.
    """
    from rich.cells import cell_len
    from rich.text import Text

    cells = [[cell.split("\n") for cell in (column.head, *column.cells)] for column in columns]
    widths = [max(cell_len(line) for of_cell in of_column for line in of_cell) for of_column in cells]

    def text_of(row: Sequence[list[str]]) -> Text:
        height = max(map(len, row))
        padded = []
        for column, width, of_cell in zip(columns, widths, row, strict=True):
            spaces = [" " * (width - cell_len(line)) for line in of_cell]
            texts = [line + space if column.left else space + line for line, space in zip(of_cell, spaces, strict=True)]
            padded.append(texts + [" " * width] * (height - len(texts)))
        return Text("\n".join(GAP.join(line) for line in zip(*padded, strict=True)))

    head, *rows = (text_of(row) for row in zip(*cells, strict=True))
    table = ruled_table(title, "\n".join(lines))
    table.add_column(head, no_wrap=True, overflow="fold")
    for row, style in zip(rows, styles, strict=True):
        table.add_row(row, style=style)
    return table
