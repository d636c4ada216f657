"""The recipes over all boards as a table of a page, with a column for each board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from calibench.leaderboard.task_figures import FEW
from calibench.report.across_table import across_notes, rating_text
from calibench.report.format import NOTHING, figure, figure_with_interval, header, signed_with_interval
from calibench.report.site.board_view import seconds_cell
from calibench.report.site.table import Cell, Head, Line, Recipes, Table, figure_cell, rank_cell

if TYPE_CHECKING:
    from calibench.leaderboard.across import Across
    from calibench.leaderboard.boards import Board
    from calibench.leaderboard.rows import Row


def across_table(
    summary: Across,
    boards: Sequence[Board],
    recipes: Recipes,
    seconds: Mapping[str, float],
    identity: str = "all",
) -> Table:
    """A row for each recipe: rank interval, win rate, improvement over the base, seconds, and its figure on each board.

    Boards without a figure of the base do not count, and have no column.
    """
    boards = [
        board for board in boards if any(row.recipe == summary.base and board.metric in row.cells for row in board.rows)
    ]
    rates = summary.win_rates
    enough = sum(rates.groups.values()) >= FEW
    heads = [
        Head("rank", left=True),
        Head("recipe", left=True),
        Head("win rate %", better="higher", hint="share of the other recipes that it beats; a tie is half a win"),
    ]
    heads += [Head(f"{rates.metric} better by %", better="higher")] if summary.improvements else []
    heads += [Head("Elo", better="higher")] if summary.elo else []
    heads += [Head("seconds", better="lower")] if seconds else []
    heads += [Head("missing", better="lower")] if summary.missing else []
    heads += [Head(f"{_short(board)}\n{_unit(board)}", better=rates.better) for board in boards]
    rows_of = [{row.recipe: row for row in board.rows} for board in boards]
    lines = []
    for row in rates.rows:
        gain = summary.improvements.get(row.method)
        won = figure_cell(
            figure_with_interval(row.win_rate, row.interval if enough else None, "fraction"), row.win_rate
        )
        name = Cell(row.method, href=recipes.href.get(row.method, ""))
        cells = [rank_cell(row.rank, len(rates.rows)), name, won]
        if gain is not None and row.method == summary.base:
            cells.append(Cell("base", value=0.0))
        elif gain is not None:
            cells.append(figure_cell(signed_with_interval(gain.mean, gain.interval, "fraction"), gain.mean))
        cells += (
            [figure_cell(rating_text(summary.elo[row.method]), summary.elo[row.method].rating)] if summary.elo else []
        )
        cells += [seconds_cell(seconds.get(row.method))] if seconds else []
        blank = len(summary.missing.get(row.method, ()))
        cells += [Cell(str(blank), value=blank)] if summary.missing else []
        cells += [_figure(board, by_recipe.get(row.method)) for board, by_recipe in zip(boards, rows_of, strict=True)]
        kinds = recipes.kinds.get(row.method, "")
        lines.append(Line(cells, row.method.lower(), kinds, base=row.method == summary.base))
    notes = across_notes(summary)
    if boards:
        notes.append("figures of a data set: mean over seeds, and the interval of the rank there")
    return Table(identity, "All data sets", heads, lines, notes, names=1, filtered=True)


def _short(board: Board) -> str:
    """The name of a board's column: the data set, with what else tells boards apart."""
    return board.dataset.partition(":")[0] + (f", {board.noise}" if board.noise else "")


def _unit(board: Board) -> str:
    return header(board.metric, str(board.units[board.metric]["unit"]))


def _figure(board: Board, row: Row | None) -> Cell:
    """The figure of a row by which its board is ordered, and its rank there."""
    if row is None or board.metric not in row.cells:
        return Cell(NOTHING)
    mean = row.cells[board.metric].mean
    rank = "" if row.rank is None else f"rank {row.rank[0]}" + (f"-{row.rank[1]}" if row.rank[0] < row.rank[1] else "")
    return Cell(figure(mean, str(board.units[board.metric]["unit"])), rank, mean)
