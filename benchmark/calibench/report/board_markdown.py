"""A board as a Markdown table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from calibench.report.board_text import LEFT, columns_of, head_and_body, notes, title

if TYPE_CHECKING:
    from calibench.leaderboard.boards import Board


def board_markdown(board: Board, chosen: Sequence[str] = ()) -> str:
    """The board as a Markdown table with its title above and its notes below."""
    head, body = head_and_body(board, columns_of(board, chosen))
    rule = ["---" if name in LEFT else "---:" for name in head]
    lines = [_line(cells) for cells in (head, rule, *body)]
    return "\n".join([f"**{title(board)}**", "", *lines, "", *(f"{note}  " for note in notes(board)), ""])


def _line(cells: Sequence[str]) -> str:
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
