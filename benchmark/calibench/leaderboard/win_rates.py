"""Win rates: the share of the other methods that a method beats on a task, over many tasks. Source: CalArena, arXiv 2605.30188."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from calibench.errors import InputError
from calibench.lazy import np
from calibench.leaderboard.defaults import TOLERANCE
from calibench.leaderboard.grouped_means import Floats, GroupedMeans
from calibench.leaderboard.rank_intervals import LEVEL, rank_intervals_of_observations
from calibench.leaderboard.results_table import ResultsTable


@dataclass(frozen=True)
class Layout:
    """The columns of a table of results.

    `task` columns together name a task, and `group` columns the data set behind it (default: the first of `task`). With
    `mean_over`, win rates are means within each value of these columns first.
    """

    method: str
    task: tuple[str, ...]
    metric: str
    group: tuple[str, ...] = ()
    mean_over: tuple[str, ...] = ()
    better: str = "lower"


@dataclass(frozen=True)
class Bootstrap:
    """How rank intervals are computed."""

    level: float = LEVEL
    tolerance: float = TOLERANCE
    resamples: int = 2000
    seed: int = 0


@dataclass(frozen=True)
class WinRate:
    """One method: interval of its rank, win rate with its own bootstrap interval, win rate by part, number of blank cells."""

    rank: tuple[int, int]
    method: str
    win_rate: float
    interval: tuple[float, float] | None
    parts: dict[str, float]
    blank: int


@dataclass(frozen=True)
class WinRates:
    """The rows, best first, with the numbers of tasks and groups of each part (all in one, named "", without `mean_over`).

    `separated` lists, for each method, the methods that it is better than.
    """

    metric: str
    better: str
    level: float
    tasks: dict[str, int]
    groups: dict[str, int]
    rows: tuple[WinRate, ...]
    separated: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def blank(self) -> int:
        """The number of blank cells of all methods."""
        return sum(row.blank for row in self.rows)


def wins(figures: Floats, better: str) -> Floats:
    """The share of the other methods that each beats on each task, `[D, R]`, from its figures `[D, R]`.

    A method wins where its figure is strictly better. A comparison with a blank (NaN) is nobody's win: the method without a
    figure scores 0 on the task, and the others lose one win each.
    """
    signed = figures if better == "lower" else -figures
    rates = np.empty_like(signed)
    for row in range(signed.shape[1]):
        rates[:, row] = (signed[:, row, None] < signed).sum(axis=1) / (signed.shape[1] - 1)
    return rates


def win_rates(table: ResultsTable, layout: Layout, bootstrap: Bootstrap | None = None) -> WinRates:
    """The win rate of every method, best first, with rank intervals over groups.

    A method without a line for a task has a blank cell there. Raises InputError for unknown columns, two lines of one method
    and task, a cell that is no number, fewer than two methods, and a part on which a method has no figure at all.
    """
    tasks, methods, figures = _pivot(table, layout)
    parts = [" ".join(part) for part, _, _ in tasks]
    _refuse_absent_methods(figures, methods, parts)
    groups = [group for _, group, _ in tasks]
    return win_rates_of(figures, methods, groups, parts, layout, bootstrap)


def win_rates_of(
    figures: Floats,
    methods: Sequence[str],
    groups: Sequence[Hashable],
    parts: Sequence[str],
    layout: Layout,
    bootstrap: Bootstrap | None = None,
    shares: Floats | None = None,
) -> WinRates:
    """`win_rates` of figures `[D, R]` of D tasks and R methods, NaN for a blank cell, with the group and the part of each task.

    `shares [D, R]` are the won shares of each task by another rule than that of `wins`.
    """
    bootstrap = bootstrap or Bootstrap()
    rates = wins(figures, layout.better) if shares is None else shares
    means = GroupedMeans.of(rates, groups, parts)
    rule = ("higher", bootstrap.level, bootstrap.tolerance, bootstrap.resamples, bootstrap.seed)
    ranks = rank_intervals_of_observations(means, *rule)
    estimates, by_part = means.estimates(), means.by_stratum()
    sides = ((1 - bootstrap.level) / 2, (1 + bootstrap.level) / 2)
    bounds = np.quantile(means.replicates(bootstrap.resamples, bootstrap.seed), sides, axis=1)
    blank = np.isnan(figures).sum(axis=0)
    pairs = list(zip(parts, groups, strict=True))
    groups_of = {part: len({group for p, group in pairs if p == part}) for part in dict.fromkeys(parts)}
    # An interval needs groups that differ in each part.
    shown = min(groups_of.values()) > 1
    order = sorted(range(len(methods)), key=lambda row: (-estimates[row], methods[row]))
    rows = tuple(
        WinRate(
            (int(ranks.best[row]), int(ranks.worst[row])),
            methods[row],
            float(estimates[row]),
            (float(bounds[0, row]), float(bounds[1, row])) if shown else None,
            dict(zip(groups_of, map(float, by_part[:, row]), strict=True)),
            int(blank[row]),
        )
        for row in order
    )
    separated = {methods[row]: tuple(methods[k] for k in order if ranks.separated[row, k]) for row in order}
    return WinRates(layout.metric, layout.better, bootstrap.level, dict(Counter(parts)), groups_of, rows, separated)


def _pivot(
    table: ResultsTable, layout: Layout
) -> tuple[list[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]], list[str], Floats]:
    """Tasks as (part, group, name), methods, and figures `[D, R]` with NaN where a cell is blank."""
    names = table.column(layout.method)
    keys = list(
        zip(
            table.keys(layout.mean_over),
            table.keys(layout.group or layout.task[:1]),
            table.keys(layout.task),
            strict=True,
        )
    )
    figures = table.figures(layout.metric)
    tasks, methods = list(dict.fromkeys(keys)), list(dict.fromkeys(names))
    if len(methods) < 2:
        raise InputError(f"{table.path}: {methods[0]!r} is the only method", "a win rate needs another")
    row_of = {task: row for row, task in enumerate(tasks)}
    column_of = {method: column for column, method in enumerate(methods)}
    seen: dict[tuple[int, int], int] = {}
    cells = np.full((len(tasks), len(methods)), np.nan)
    for key, method, value, line in zip(keys, names, figures, table.lines, strict=True):
        place = row_of[key], column_of[method]
        if place in seen:
            message = f"{table.path}: lines {seen[place]} and {line} both hold {method!r} on {' '.join(key[2])}"
            raise InputError(
                message, "name every column that tells tasks apart with --task, or choose lines with --where"
            )
        seen[place] = line
        cells[place] = value
    return tasks, methods, cells


def _refuse_absent_methods(figures: Floats, methods: Sequence[str], parts: Sequence[str]) -> None:
    """Raise InputError if a method has no figure at all in one of the parts, as where a part has methods of its own."""
    for part in dict.fromkeys(parts):
        absent = np.isnan(figures[[p == part for p in parts]]).all(axis=0)
        if absent.any():
            method = methods[int(np.argmax(absent))]
            message = f"{method!r} has no figure{f' in {part}' if part else ''}"
            raise InputError(message, "leave it out with --without, or choose lines with --where")
