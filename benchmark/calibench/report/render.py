"""Boards as text: a table, Markdown, CSV, JSON, LaTeX or HTML."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from calibench.report.board_csv import boards_csv
from calibench.report.board_html import boards_html
from calibench.report.board_json import boards_json
from calibench.report.board_latex import board_latex
from calibench.report.board_markdown import board_markdown
from calibench.report.board_table import board_table
from calibench.report.tables import WIDTH

if TYPE_CHECKING:
    from calibench.leaderboard.boards import Board

FORMATS = ("table", "markdown", "csv", "json", "latex", "html")


def render(boards: Sequence[Board], form: str, chosen: Sequence[str] = ()) -> str:
    """The boards in one of `FORMATS`. `chosen` are the columns of a table and of Markdown; CSV and JSON hold every metric."""
    if form == "markdown":
        return "\n".join(board_markdown(board, chosen) for board in boards)
    if form == "latex":
        return "\n".join(board_latex(board, chosen) for board in boards)
    if form == "html":
        return boards_html(boards, chosen)
    if form == "csv":
        return boards_csv(boards)
    if form == "json":
        return boards_json(boards)
    from rich.console import Console

    console = Console(file=io.StringIO(), width=WIDTH, record=True)
    for board in boards:
        console.print(board_table(board, chosen))
    return console.export_text()
