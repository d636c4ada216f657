"""A table as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from calibench.report.board_text import board_grid
from calibench.report.format import markdown

if TYPE_CHECKING:
    from calibench.leaderboard.boards import Board
    from calibench.report.grid import Grid


def board_markdown(board: Board, chosen: Sequence[str] = ()) -> str:
    """The board as a Markdown table."""
    return markdown_of(board_grid(board, chosen))


def markdown_of(grid: Grid) -> str:
    """The table with its title above and its notes below."""
    rule = ["---" if column.left else "---:" for column in grid.columns]
    body = zip(*(column.cells for column in grid.columns), strict=True)
    lines = [_line(cells) for cells in ([column.head for column in grid.columns], rule, *body)]
    return "\n".join(
        [f"**{markdown(grid.title)}**", "", *lines, "", *(f"{markdown(note)}  " for note in grid.notes), ""]
    )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(markdown, cells))} |"
