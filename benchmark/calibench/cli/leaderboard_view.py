"""The options of `calibench leaderboard` that say how its boards are shown, and which of them go with which format."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from calibench.errors import InputError

if TYPE_CHECKING:
    from calibench.leaderboard.across import Across
    from calibench.leaderboard.boards import Board

Command = TypeVar("Command", bound=Callable[..., Any])

FORMATS = {"rich": "table", "md": "markdown"}
"""Second names of formats."""

TERMINAL = "terminal"


@dataclass(frozen=True)
class View:
    """What the user asked to see."""

    columns: str | None = None
    sort: str | None = None
    pareto: bool = False
    elo: bool = False
    diagram: str | None = None
    form: str | None = None
    as_json: bool = False

    @property
    def format(self) -> str:
        """The name of the format."""
        form = "json" if self.as_json else self.form or "table"
        return FORMATS.get(form, form)

    @property
    def chosen(self) -> list[str]:
        """The columns that are named."""
        names = [name.strip() for name in (self.columns or "").split(",") if name.strip()]
        return [*names, *(["seconds"] if self.pareto and names and "seconds" not in names else [])]

    @property
    def reliability(self) -> bool:
        """True if the gaps of reliability diagrams are shown."""
        return "reliability" in self.chosen

    @property
    def picture(self) -> Path | None:
        """The file of the diagram."""
        return None if self.diagram in (None, TERMINAL) else Path(str(self.diagram))

    def check(self, output: Path | None) -> None:
        """InputError for options that a format cannot hold, or that contradict each other."""
        form = self.format
        if self.as_json and self.form not in (None, "json"):
            raise InputError(f"--json and --format {self.form} name two formats", "leave one of them out")
        if self.columns is not None and not self.chosen:
            raise InputError("--columns names no column", "as in --columns accuracy,nll,change")
        if self.columns is not None and form in ("csv", "json") and self.chosen != ["reliability"]:
            raise InputError(f"--columns has no use in {form}, which holds every metric", "leave it out")
        if self.reliability and form in ("csv", "latex"):
            raise InputError(f"{form} cannot hold the column reliability", "use table, markdown, html, svg or json")
        if self.elo and form == "csv":
            raise InputError("csv holds boards of one data set alone, without Elo ratings", "use --format json")
        if self.diagram == TERMINAL and (form != "table" or output is not None):
            raise InputError("--diagram terminal is for the terminal", "name a file instead, as in --diagram cd.svg")
        if self.picture is not None and self.picture.suffix.lower() != ".svg":
            raise InputError(f"--diagram {self.diagram} is no .svg", "write --diagram terminal, or --diagram cd.svg")
        if self.picture is not None and output is not None and self.picture.resolve() == output.resolve():
            raise InputError(f"--diagram and --output are one file, {output}", "name two files")

    def of_boards(self, boards: list[Board]) -> list[Board]:
        """The boards with their Pareto fronts, in the order that was asked for; InputError if no board can have what was asked."""
        from calibench.leaderboard.board_front import with_front
        from calibench.leaderboard.sorting import sorted_board
        from calibench.report.board_columns import metrics_of

        if self.pareto:
            boards = [with_front(board) for board in boards]
            if boards and all(board.front is None for board in boards):
                raise InputError(f"--pareto: {boards[0].notes[-1]}", "make all runs of a board on one machine")
        for board in boards:
            metrics_of(board, self.chosen)  # refuses unknown names before anything is written
        return boards if self.sort is None else [sorted_board(board, self.sort) for board in boards]

    def of_summary(self, summary: Across) -> Across:
        """The summary with Elo ratings, if they were asked for."""
        from calibench.leaderboard.elo import elo

        return dataclasses.replace(summary, elo=elo(summary.table)) if self.elo else summary


def view_options(command: Command) -> Command:
    """The options of this file, which a command gets as one `view`."""

    @functools.wraps(command)
    def with_view(*arguments: Any, **options: Any) -> Any:
        view = View(**{field.name: options.pop(field.name) for field in dataclasses.fields(View)})
        return command(*arguments, view=view, **options)

    shown = "metrics, seeds, change, sd, floor, verdict, seconds, reliability"
    options = (
        click.option("--columns", metavar="A,B", help=f"The columns to show, in this order: {shown}."),
        click.option(
            "--sort",
            metavar="METRIC|-METRIC|name",
            help="Show the rows from low to high, from high to low, or by name; ranks stay.",
        ),
        click.option("--pareto", is_flag=True, help="Mark the rows that no other beats in both figure and seconds."),
        click.option("--elo", is_flag=True, help="Elo ratings over all data sets."),
        click.option(
            "--diagram",
            metavar="terminal|FILE.svg",
            help="Friedman's test over all data sets, and the critical-difference diagram.",
        ),
        click.option(
            "--format",
            "form",
            type=click.Choice(["table", "markdown", "csv", "json", "latex", "html", "svg", "rich", "md"]),
            help="Default: table. rich is table, md is markdown.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Short for --format json."),
    )
    decorated: Any = with_view
    for option in reversed(options):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]
