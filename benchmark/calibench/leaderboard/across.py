"""Boards of several data sets in one: win rates, and the mean improvement over the base, with nothing missing averaged away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from calibench.lazy import np
from calibench.leaderboard.boards import Board
from calibench.leaderboard.elo import Elo
from calibench.leaderboard.grouped_means import Floats, GroupedMeans
from calibench.leaderboard.task_figures import FEW, TaskFigures
from calibench.leaderboard.win_rates import Bootstrap, Layout, WinRates, win_rates_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

Bools: TypeAlias = "NDArray[np.bool_]"


@dataclass(frozen=True)
class Improvement:
    """The mean over tasks of `(base - row) / base`, a fraction, with its bootstrap interval over data sets if there are enough."""

    mean: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Across:
    """The recipes over all boards: win rates with rank intervals, and improvements over `base` by recipe."""

    table: TaskFigures
    win_rates: WinRates
    base: str
    improvements: Mapping[str, Improvement]
    """Empty if the figure of the base is 0 on every task."""
    missing: Mapping[str, tuple[str, ...]]
    """By recipe the tasks on which it has no figure, or is not ranked."""

    left_out: tuple[str, ...] = ()
    """The tasks that do not count, since the base has no figure there, or lacks a seed that most others have."""

    no_share: tuple[str, ...] = ()
    """The tasks on which the figure of the base is 0, so that no improvement is a share of it."""

    elo: Mapping[str, Elo] | None = None
    """Ratings by recipe, if they are asked for."""

    folder: str | None = None
    """The folder of the records, where several folders are shown together."""


def across(boards: Sequence[Board], base: str, bootstrap: Bootstrap | None = None) -> Across | None:
    """The summary of boards of one metric; None for boards of fewer than two data sets, or fewer than two recipes.

    A task is a board: data, network and noise; tasks of one data set stay together in the bootstrap. The figure of a recipe is its
    mean over seeds; it has none if it lacks a seed of the base. A tie is half a win. A recipe without a figure on a task loses
    against every other there, and its improvement is the lowest that any recipe has on the task, and at most 0. Only tasks with a
    figure of the base count.
    """
    bootstrap = bootstrap or Bootstrap()
    figures_of = {id(board): _figures(board, base) for board in boards}
    left_out = tuple(task_of(board) for board in boards if base not in figures_of[id(board)])
    boards = [board for board in boards if base in figures_of[id(board)]]
    recipes = list(dict.fromkeys(row.recipe for board in boards for row in board.rows))
    datasets = [board.group or board.dataset for board in boards]
    if len(set(datasets)) < 2 or len(recipes) < 2:
        return None
    metric = boards[0].metric
    better = str(boards[0].units[metric]["better"])
    table = np.array([[figures_of[id(board)].get(recipe, np.nan) for recipe in recipes] for board in boards])
    of_tasks = TaskFigures(tuple(recipes), tuple(datasets), table, better, boards[0].tolerance)
    layout = Layout("recipe", ("task",), metric, better=better)
    shares = of_tasks.games().sum(axis=2) / (len(recipes) - 1)
    rates = win_rates_of(table, recipes, datasets, [""] * len(boards), layout, bootstrap, shares)
    counted = np.abs(table[:, recipes.index(base)]) > boards[0].tolerance
    no_share = tuple(task_of(board) for board, counts in zip(boards, counted, strict=True) if not counts)
    improvements = _mean_improvements(of_tasks, base, counted, bootstrap)
    missing = {
        recipe: tuple(task_of(board) for board, value in zip(boards, table[:, row], strict=True) if np.isnan(value))
        for row, recipe in enumerate(recipes)
    }
    missing = {recipe: tasks for recipe, tasks in missing.items() if tasks}
    return Across(of_tasks, rates, base, improvements, missing, left_out, no_share)


def _mean_improvements(table: TaskFigures, base: str, counted: Bools, bootstrap: Bootstrap) -> dict[str, Improvement]:
    """The mean improvement of each recipe over the `counted` tasks; empty if there are none."""
    if not counted.any():
        return {}
    gains = _improvements(table.figures[counted], table.recipes.index(base), table.better)
    datasets = [dataset for dataset, counts in zip(table.datasets, counted, strict=True) if counts]
    means = GroupedMeans.of(gains, datasets)
    sides = ((1 - bootstrap.level) / 2, (1 + bootstrap.level) / 2)
    bounds = np.quantile(means.replicates(bootstrap.resamples, bootstrap.seed), sides, axis=1)
    enough = len(set(datasets)) >= FEW
    return {
        recipe: Improvement(float(mean), (float(bounds[0, row]), float(bounds[1, row])) if enough else None)
        for row, (recipe, mean) in enumerate(zip(table.recipes, means.estimates(), strict=True))
    }


def base_of(boards: Sequence[Board]) -> str | None:
    """The base that most boards have; ties go by name, None if no board has one."""
    counts = Counter(board.base for board in boards if board.base is not None)
    return min(counts, key=lambda base: (-counts[base], base)) if counts else None


def task_of(board: Board) -> str:
    """A board's data, network and noise, as a text."""
    return ", ".join([board.dataset, board.model, *([board.noise] if board.noise else [])])


def _figures(board: Board, base: str) -> dict[str, float]:
    """The mean over seeds of the board's metric, by recipe. A recipe that may not rank or lacks a seed of the base has none.

    Nobody has one where the base lacks a seed that most others have: the best seeds of a base would be compared with all of theirs.
    """
    seeds = {seed for row in board.rows if row.recipe == base for seed in row.seeds}
    others = [row for row in board.rows if row.recipe != base]
    if 2 * sum(not set(row.seeds) <= seeds for row in others) > len(others) > 0:
        return {}
    whole = [row for row in board.rows if row.may_rank and board.metric in row.cells and seeds <= set(row.seeds)]
    return {row.recipe: row.cells[board.metric].mean for row in whole}


def _improvements(table: Floats, base: int, better: str) -> Floats:
    """`(base - row) / |base|` of figures `[D, R]`, the sign so that more is better; a blank cell has the lowest, at most 0."""
    reference = table[:, [base]]
    sign = 1.0 if better == "lower" else -1.0
    gains: Floats = sign * (reference - table) / np.abs(reference)
    worst = np.minimum(np.nanmin(gains, axis=1, keepdims=True), 0.0)
    return np.where(np.isnan(gains), worst, gains)
