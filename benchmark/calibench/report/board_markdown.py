"""A board as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from calibench.report.board_columns import board_columns, metrics_of
from calibench.report.board_text import notes, title

if TYPE_CHECKING:
    from calibench.leaderboard.boards import Board


def board_markdown(board: Board, chosen: Sequence[str] = ()) -> str:
    """The board as a Markdown table with its title above and its notes below."""
    columns = board_columns(board, metrics_of(board, chosen))
    rule = ["---" if column.left else "---:" for column in columns]
    body = zip(*(column.cells for column in columns), strict=True)
    lines = [_line(cells) for cells in ([column.head for column in columns], rule, *body)]
    return "\n".join([f"**{title(board)}**", "", *lines, "", *(f"{note}  " for note in notes(board, columns)), ""])


def _line(cells: Sequence[str]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
