"""A board as a rich table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from calibench.report.board_text import LEFT, columns_of, head_and_body, notes, title
from calibench.report.tables import WIDTH, ruled_table

if TYPE_CHECKING:
    from rich.table import Table

    from calibench.leaderboard.boards import Board


def board_table(board: Board, chosen: Sequence[str] = (), width: int = WIDTH) -> Table:
    """The board as a table; without `chosen` columns, only as many as `width` characters hold, and a note names the others."""
    from rich.text import Text

    names = columns_of(board, chosen)
    left_out = [] if chosen else _drop_last_columns(board, names, width)
    lines = notes(board)
    if left_out:
        lines.append(f"no room for {', '.join(left_out)}; calibench leaderboard --columns shows them")
    head, body = head_and_body(board, names)
    table = ruled_table(title(board), "\n".join(lines))
    for name in head:
        left = name in LEFT
        table.add_column(name, justify="left" if left else "right", no_wrap=name == "method", overflow="fold")
    for cells in body:
        table.add_row(*(Text(cell) for cell in cells), style="bold" if cells[0] == "1" else "")
    return table


def _drop_last_columns(board: Board, names: list[str], width: int) -> list[str]:
    """Remove the last of `names` until the table fits, but not the metric ranked by; returns the removed names in order."""
    removed: list[str] = []
    while len(names) > 1 and _width(*head_and_body(board, names)) > width:
        removed.insert(0, next(name for name in reversed(names) if name != board.metric))
        names.remove(removed[0])
    return removed


def _width(head: list[str], body: list[list[str]]) -> int:
    """Characters a line that the table takes if no cell is folded."""
    return sum(max(len(row[k]) for row in (head, *body)) + 3 for k in range(len(head))) + 1
