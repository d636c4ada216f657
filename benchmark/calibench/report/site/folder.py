"""A results folder as pages show it: its records, boards, the table over them, and where each page lies."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from calibench.errors import InputError
from calibench.leaderboard.across import task_of
from calibench.leaderboard.pareto import seconds_of
from calibench.metrics.judged import Judged
from calibench.records.record import ResultRecord
from calibench.report.site.addresses import address
from calibench.report.site.protocol import SuiteFacts
from calibench.report.site.reproduce import kinds_of
from calibench.report.site.table import Recipes

if TYPE_CHECKING:
    from calibench.leaderboard.across import Across
    from calibench.leaderboard.boards import Board

Judge = Callable[[ResultRecord], Judged]
"""The judged test split of a run, from its stored predictions; InputError if there are none."""


@dataclass(frozen=True)
class SiteFolder:
    """One results folder. `title` is the suite's name, or that of the folder; `path` is where it was read."""

    title: str
    path: str
    records: Sequence[ResultRecord]
    boards: Sequence[Board]
    across: Across | None
    suite: SuiteFacts | None
    judge: Judge

    @cached_property
    def record_of(self) -> dict[str, ResultRecord]:
        """Records by run id."""
        return {record.run_id: record for record in self.records}

    @cached_property
    def recipes(self) -> list[str]:
        """All recipes with a run, in the order of the table over all data sets if there is one, else of the boards."""
        first = [row.method for row in self.across.win_rates.rows] if self.across else []
        names = dict.fromkeys([*first, *(row.recipe for board in self.boards for row in board.rows)])
        made = {record.recipe for record in self.records}
        return [name for name in names if name in made]

    @property
    def address(self) -> str:
        """The folder of its pages in the site."""
        return address(self.title)

    @property
    def commands(self) -> str:
        """The commands that verify and rank the records."""
        folder = shlex.quote(self.path)
        return f"calibench verify {folder}\ncalibench leaderboard {folder}"

    def recipes_from(self, up: str) -> Recipes:
        """Addresses and kinds of all recipes, for a page from which `up` leads to the folder of this board."""
        kinds: dict[str, str] = {}
        for record in self.records:
            kinds.setdefault(record.method, " ".join(kinds_of(record)))
        return Recipes({recipe: f"{up}recipes/{address(recipe)}.html" for recipe in self.recipes}, kinds)

    def records_of(self, board: Board, recipe: str | None = None) -> list[ResultRecord]:
        """The runs behind a board, or behind its row of one recipe."""
        rows = [row for row in board.rows if recipe is None or row.recipe == recipe]
        return [self.record_of[run] for row in rows for run in row.run_ids]

    def seconds(self, board: Board) -> dict[str, float]:
        """The seconds of each recipe on a board, mean over seeds; without recipes that state none."""
        means = {row.recipe: [seconds_of(self.record_of[run]) for run in row.run_ids] for row in board.rows}
        return {recipe: sum(values) / len(values) for recipe, values in means.items() if sum(values) > 0}

    @cached_property
    def mean_seconds(self) -> dict[str, float]:
        """The seconds of each recipe, mean over the boards; of recipes that are on all of them."""
        boards = [self.seconds(board) for board in self.boards]
        everywhere = set.intersection(*(set(of) for of in boards)) if boards else set()
        return {
            recipe: sum(of[recipe] for of in boards) / len(boards) for recipe in self.recipes if recipe in everywhere
        }

    def judged(self, board: Board, recipe: str) -> tuple[list[Judged], str]:
        """The judged runs of a row, and a sentence where predictions are missing."""
        try:
            return [self.judge(record) for record in self.records_of(board, recipe)], ""
        except (InputError, KeyError, ValueError) as error:
            return [], error.message if isinstance(error, InputError) else str(error)


def board_address(board: Board) -> str:
    """The name of a board's page."""
    return address(task_of(board))


def kinds_shown(kinds: Mapping[str, str]) -> list[str]:
    """Every kind of stage that some recipe has, in alphabetical order."""
    return sorted({kind for text in kinds.values() for kind in text.split()})
