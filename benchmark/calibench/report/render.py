"""Boards as text: a table, Markdown, CSV, JSON, LaTeX, HTML or SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from calibench.report.across_table import across_grid, across_table
from calibench.report.board_csv import boards_csv
from calibench.report.board_html import boards_html
from calibench.report.board_json import boards_json
from calibench.report.board_latex import board_latex, latex_of
from calibench.report.board_markdown import board_markdown, markdown_of
from calibench.report.board_svg import svg_of
from calibench.report.board_table import board_table
from calibench.report.tables import WIDTH

if TYPE_CHECKING:
    from calibench.leaderboard.across import Across
    from calibench.leaderboard.boards import Board

FORMATS = ("table", "markdown", "csv", "json", "latex", "html", "svg")


def render(boards: Sequence[Board], form: str, chosen: Sequence[str] = (), across: Sequence[Across] = ()) -> str:
    """The boards in one of `FORMATS`, then the summaries over their data sets, which CSV does not hold.

    `chosen` are the columns; CSV and JSON hold every metric.
    """
    grids = [across_grid(summary) for summary in across]
    if form == "markdown":
        return "\n".join([*(board_markdown(board, chosen) for board in boards), *map(markdown_of, grids)])
    if form == "latex":
        return "\n".join([*(board_latex(board, chosen) for board in boards), *map(latex_of, grids)])
    if form == "html":
        return boards_html(boards, chosen, across)
    if form == "csv":
        return boards_csv(boards)
    if form == "json":
        return boards_json(boards, across)
    from calibench.report.safe_console import safe_console

    console = safe_console(file=io.StringIO(), width=WIDTH, record=True)
    for board in boards:
        console.print(board_table(board, chosen))
    for summary in across:
        console.print(across_table(summary))
    return svg_of(console) if form == "svg" else console.export_text()
