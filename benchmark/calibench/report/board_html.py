"""Boards as one self-contained HTML page, made of the tables and the style of a site."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from calibench.report.board_text import has_ranks, title

if TYPE_CHECKING:
    from calibench.leaderboard.across import Across
    from calibench.leaderboard.boards import Board


def boards_html(boards: Sequence[Board], chosen: Sequence[str] = (), across: Sequence[Across] = ()) -> str:
    """The page, with a table and its notes for each board, then for each summary over data sets; they sort and filter."""
    from calibench.report.across_table import across_grid
    from calibench.report.site.across_view import across_table
    from calibench.report.site.board_view import board_table
    from calibench.report.site.page import render
    from calibench.report.site.table import Recipes

    tables = [
        (title(board), board_table(board, Recipes({}, {}), {}, f"board{number}", chosen))
        for number, board in enumerate(boards, 1)
    ]
    tables += [
        (across_grid(summary).title, across_table(summary, (), Recipes({}, {}), {}, f"all{number}"))
        for number, summary in enumerate(across, 1)
    ]
    return render("boards.html", title="Leaderboard", trail=[], tables=tables, ranked=any(has_ranks(b) for b in boards))
