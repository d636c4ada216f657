"""The recipes over several boards as a table in any form, and as a JSON document."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from calibench.leaderboard.task_figures import FEW
from calibench.report.board_table import table_of
from calibench.report.fit_width import fitted
from calibench.report.format import figure_with_interval, printable, signed_with_interval
from calibench.report.grid import Column, Grid
from calibench.report.tables import WIDTH
from calibench.report.win_rates_table import win_rates_document

if TYPE_CHECKING:
    from rich.table import Table

    from calibench.leaderboard.across import Across
    from calibench.leaderboard.elo import Elo


def across_table(board: Across, width: int = WIDTH) -> Table:
    """A row for each recipe: rank interval, win rate, improvement over the base, and the tasks without a figure."""
    grid = across_grid(board)
    columns, left_out = fitted(grid.columns, grid.names, width)
    lines = list(grid.notes)
    if left_out:
        lines.append(f"no room for {', '.join(left_out)}; a wider terminal and --format markdown show them")
    return table_of(grid.title, columns, lines, [""] * len(board.win_rates.rows))


def across_grid(board: Across) -> Grid:
    """The same before it has a form."""
    rates = board.win_rates
    tasks, groups = sum(rates.tasks.values()), sum(rates.groups.values())
    place = printable(f"{board.folder}: ") if board.folder else ""
    title = f"{place}all data sets by {rates.metric} ({rates.better} is better): {tasks} tasks on {groups} data sets"
    rows = rates.rows
    ranks = [str(best) if best == worst else f"{best}-{worst}" for best, worst in (row.rank for row in rows)]
    won = [figure_with_interval(row.win_rate, row.interval if groups >= FEW else None, "fraction") for row in rows]
    columns = [
        Column("rank", "rank", tuple(ranks), left=True),
        Column("recipe", "recipe", tuple(printable(row.method) for row in rows), left=True),
        Column("win rate", "win rate %", tuple(won)),
    ]
    if board.improvements:
        gains = tuple(_gain(board, row.method) for row in rows)
        columns.append(Column("better", f"{rates.metric} better by %", gains, keep=3))
    if board.elo is not None:
        columns.append(Column("elo", "Elo", tuple(rating_text(board.elo[row.method]) for row in rows), keep=2))
    if board.missing:
        blank = tuple(str(len(board.missing.get(row.method, ()))) for row in rows)
        columns.append(Column("missing", "missing", blank, keep=1))
    return Grid(title, tuple(columns), tuple(printable(line) for line in across_notes(board)), "recipe")


def across_document(board: Across) -> dict[str, Any]:
    """All fields, for the JSON of a leaderboard."""
    improvements = {
        recipe: {"mean": gain.mean, "interval": gain.interval} for recipe, gain in board.improvements.items()
    }
    ratings = None
    if board.elo is not None:
        ratings = {recipe: dataclasses.asdict(rating) for recipe, rating in board.elo.items()}
    return {
        "folder": board.folder,
        **win_rates_document(board.win_rates),
        "base": board.base,
        "improvements": improvements,
        "elo": ratings,
        "missing": {recipe: list(tasks) for recipe, tasks in board.missing.items()},
        "left_out": list(board.left_out),
        "no_share": list(board.no_share),
    }


def _gain(board: Across, recipe: str) -> str:
    gain = board.improvements[recipe]
    return "base" if recipe == board.base else signed_with_interval(gain.mean, gain.interval, "fraction")


def rating_text(rating: Elo) -> str:
    """`1104 [1020, 1190]`, or the rating alone."""
    bounds = f" [{rating.interval[0]:.0f}, {rating.interval[1]:.0f}]" if rating.interval else ""
    return f"{rating.rating:.0f}{bounds}"


def across_notes(board: Across) -> list[str]:
    """The lines under the table: how to read it, and what is missing."""
    rates = board.win_rates
    level = f"{100 * rates.level:g} %"
    groups = sum(rates.groups.values())
    interval = f" [{level} bootstrap interval over data sets]" if groups >= FEW else ""
    lines = [
        f"rank: all true ranks over such data sets lie in these intervals at a joint level of {level}",
        f"win rate: share of the other recipes that it beats, a tie as half a win, mean over tasks{interval}",
    ]
    if board.improvements:
        lines.append(f"better by: mean over tasks of ({board.base} - recipe) / {board.base}{interval}")
    if board.no_share:
        lines.append(f"better by leaves out the tasks on which {board.base} has 0: {'; '.join(board.no_share)}")
    if board.elo is not None:
        games = "every task a game of each pair, one a data set in all; no order of games matters"
        each = ", each by itself" if groups >= FEW else ""
        lines.append(f"Elo: Bradley-Terry by maximum likelihood, mean 1000, {games}{interval}{each}")
    if groups < FEW:
        lines.append(f"{groups} data sets are too few for intervals of means: {FEW} are needed")
    for recipe, tasks in board.missing.items():
        lines.append(
            f"{recipe} has no figure on {'; '.join(tasks)}: it loses there, with the lowest improvement of all recipes"
        )
    if board.left_out:
        why = f"since {board.base} has no rank or figure there, or lacks a seed that most others have"
        lines.append(f"not counted, {why}: {'; '.join(board.left_out)}")
    return lines
