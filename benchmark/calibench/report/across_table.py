"""The recipes over several boards as a rich table, and as a JSON document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench.leaderboard.across import FEW
from calibench.report.format import figure_with_interval, printable, signed_with_interval
from calibench.report.tables import WIDTH, ruled_table
from calibench.report.win_rates_table import win_rates_document

if TYPE_CHECKING:
    from rich.table import Table

    from calibench.leaderboard.across import Across


def across_table(board: Across, width: int = WIDTH) -> Table:
    """A row for each recipe: rank interval, win rate, improvement over the base, and the tasks without a figure."""
    from rich.text import Text

    rates = board.win_rates
    tasks, groups = sum(rates.tasks.values()), sum(rates.groups.values())
    title = f"all data sets by {rates.metric} ({rates.better} is better): {tasks} tasks on {groups} data sets"
    table = ruled_table(title, "\n".join(_notes(board)))
    blank = ["missing"] if board.missing else []
    for name in ("rank", "recipe", "win rate %", f"{rates.metric} better by %", *blank):
        left = name in {"rank", "recipe"}
        table.add_column(name, justify="left" if left else "right", no_wrap=left, overflow="fold")
    for row in rates.rows:
        best, worst = row.rank
        gain = board.improvements[row.method]
        cells = [
            str(best) if best == worst else f"{best}-{worst}",
            printable(row.method),
            figure_with_interval(row.win_rate, row.interval if groups >= FEW else None, "fraction"),
            "base" if row.method == board.base else signed_with_interval(gain.mean, gain.interval, "fraction"),
            *([str(len(board.missing.get(row.method, ())))] if blank else []),
        ]
        table.add_row(*(Text(cell) for cell in cells))
    return table


def across_document(board: Across) -> dict[str, Any]:
    """All fields, for the JSON of a leaderboard."""
    improvements = {
        recipe: {"mean": gain.mean, "interval": gain.interval} for recipe, gain in board.improvements.items()
    }
    return {
        **win_rates_document(board.win_rates),
        "base": board.base,
        "improvements": improvements,
        "missing": {recipe: list(tasks) for recipe, tasks in board.missing.items()},
        "left_out": list(board.left_out),
    }


def _notes(board: Across) -> list[str]:
    rates = board.win_rates
    level = f"{100 * rates.level:g} %"
    groups = sum(rates.groups.values())
    interval = f" [{level} bootstrap interval over data sets]" if groups >= FEW else ""
    lines = [
        f"rank: all true ranks over such data sets lie in these intervals at a joint level of {level}",
        f"win rate: share of the other recipes that it beats, mean over tasks{interval}",
        f"better by: mean over tasks of ({board.base} - recipe) / {board.base}{interval}",
    ]
    if groups < FEW:
        lines.append(f"{groups} data sets are too few for intervals of means: {FEW} are needed")
    for recipe, tasks in board.missing.items():
        lines.append(
            f"{recipe} has no figure on {'; '.join(tasks)}: it loses there, with the lowest improvement of all recipes"
        )
    if board.left_out:
        lines.append(f"not counted, since {board.base} has no rank or figure there: {'; '.join(board.left_out)}")
    return [printable(line) for line in lines]
