"""Friedman's test of recipes over data sets, and Nemenyi's critical difference of their mean ranks.

Data sets are the blocks. Where a data set has several tasks, its ranks are those of the mean ranks over them: tasks of one data
set depend on each other. A recipe without a figure on a task has the last rank there, with all others that have none.
Source: Demsar 2006, "Statistical comparisons of classifiers over multiple data sets".
"""

from __future__ import annotations

from dataclasses import dataclass

from calibench.errors import InputError
from calibench.lazy import np
from calibench.leaderboard.grouped_means import Floats
from calibench.leaderboard.task_figures import TaskFigures

LEVEL = 0.95


@dataclass(frozen=True)
class Friedman:
    """Recipes by mean rank, best first; the test that all are equal; the difference of mean ranks that tells two apart.

    `bands` are the longest runs of recipes (first and last place) of which no two differ by more than `critical_difference`.
    """

    datasets: int
    recipes: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    statistic: float
    p: float
    critical_difference: float
    bands: tuple[tuple[int, int], ...]


def friedman(table: TaskFigures, level: float = LEVEL) -> Friedman:
    """The test, with the joint `level` of Nemenyi's comparison of all pairs.

    InputError for fewer than three recipes or two data sets.
    """
    from scipy import stats  # 0.2 s, which a board without this test does not need

    names = list(dict.fromkeys(table.datasets))
    if len(table.recipes) < 3 or len(names) < 2:
        message = (
            f"Friedman's test compares three recipes or more on two data sets or more; here are {len(table.recipes)}"
        )
        raise InputError(f"{message} on {len(names)}", "show the board without --diagram")
    of_task = len(table.recipes) - table.games().sum(axis=2)
    places = np.array([names.index(dataset) for dataset in table.datasets])
    ranks = ranks_of_rows(np.array([of_task[places == place].mean(axis=0) for place in range(len(names))]))
    blocks, methods = ranks.shape
    means = ranks.mean(axis=0)
    ties = sum((counts**3 - counts).sum() for counts in (np.unique(row, return_counts=True)[1] for row in ranks))
    spread = 1 - ties / (blocks * methods * (methods**2 - 1))
    squares = 12 * blocks / (methods * (methods + 1)) * float(((means - (methods + 1) / 2) ** 2).sum())
    statistic = squares / spread if spread > 0 else 0.0
    quantile = float(stats.studentized_range.ppf(level, methods, np.inf))
    difference = quantile / np.sqrt(2) * np.sqrt(methods * (methods + 1) / (6 * blocks))
    order = sorted(range(methods), key=lambda place: (means[place], table.recipes[place]))
    ordered = tuple(float(means[place]) for place in order)
    return Friedman(
        datasets=blocks,
        recipes=tuple(table.recipes[place] for place in order),
        mean_ranks=ordered,
        statistic=float(statistic),
        p=float(stats.chi2.sf(statistic, methods - 1)),
        critical_difference=float(difference),
        bands=_bands(ordered, float(difference)),
    )


def ranks_of_rows(values: Floats) -> Floats:
    """The rank of each value in its row, 1 for the smallest; equal ones share the mean of their ranks."""
    less = (values[:, None, :] < values[:, :, None]).sum(axis=2)
    same = (values[:, None, :] == values[:, :, None]).sum(axis=2)
    ranks: Floats = less + (same + 1) / 2
    return ranks


def _bands(means: tuple[float, ...], difference: float) -> tuple[tuple[int, int], ...]:
    """The longest runs of ordered means that span no more than the difference; a mean alone makes none."""
    bands: list[tuple[int, int]] = []
    for first, low in enumerate(means):
        last = max(place for place, mean in enumerate(means) if mean - low <= difference)
        if last > first and (not bands or last > bands[-1][1]):
            bands.append((first, last))
    return tuple(bands)
