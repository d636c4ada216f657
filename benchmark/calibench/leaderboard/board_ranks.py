"""The ranks of a board's rows, and their changes against its base, from figures and replicates of every recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from calibench.lazy import np
from calibench.leaderboard.change import Change, Figures, change
from calibench.leaderboard.rank_intervals import MOST_UNDEFINED, rank_intervals
from calibench.leaderboard.replicates import Replicates
from calibench.leaderboard.rows import Row
from calibench.records.record import ResultRecord

ACCURACY = "accuracy"

Ranks = dict[str, tuple[int, int]]
"""The best and the worst rank of each recipe that has one."""

FiguresOf = dict[str, Figures]
"""One metric of each recipe that has it."""


def figures_of(
    metric: str, runs: Mapping[str, Sequence[ResultRecord]], replicates: Mapping[str, Replicates]
) -> FiguresOf:
    """The metric of each recipe in `runs` (recipe -> its records); without recipes of which a seed has no figure."""
    figures: FiguresOf = {}
    for recipe, records in runs.items():
        of_seed = {record.seed: value for record in records if (value := record.metrics.get(metric)) is not None}
        if len(of_seed) == len(records):
            figures[recipe] = Figures(of_seed, replicates.get(recipe, {}).get(metric))
    return figures


def ranks_of(figures: FiguresOf, better: str, tolerance: float) -> Ranks:
    """Rank intervals among the recipes that have replicates, by `rank_intervals`; the others have no rank.

    If some recipe has several seeds, their spread joins that of the replicates.
    """
    ranked = {recipe: of_recipe for recipe, of_recipe in figures.items() if of_recipe.replicates is not None}
    if not ranked:
        return {}
    rows = list(ranked.values())
    table = np.stack([row.replicates for row in rows if row.replicates is not None])
    seeds = [list(row.of_seed.values()) for row in rows] if _several_seeds(rows) else None
    intervals = rank_intervals([row.mean for row in rows], table, seeds, better, tolerance=tolerance)
    return {recipe: (int(intervals.best[row]), int(intervals.worst[row])) for row, recipe in enumerate(ranked)}


def notes_on_ranks(metric: str, figures: FiguresOf, readable: Mapping[str, Replicates]) -> Iterator[str]:
    """Which rows have no rank although their predictions are `readable`, and which ones no row is separated from."""
    without = [recipe for recipe, row in figures.items() if row.replicates is None and recipe in readable]
    if without:
        yield f"no rank for {', '.join(without)}: the predictions hold no replicates of {metric}"
    ranked = {recipe: row for recipe, row in figures.items() if row.replicates is not None}
    if _several_seeds(list(ranked.values())):
        single = [recipe for recipe, row in ranked.items() if len(row.of_seed) == 1]
        if single:
            yield f"separated from no row, since one seed shows no spread over seeds: {', '.join(single)}"
    undefined = [
        recipe
        for recipe, row in figures.items()
        if row.replicates is not None and np.isnan(row.replicates).mean() > MOST_UNDEFINED
    ]
    if undefined:
        most = f"{100 * MOST_UNDEFINED:g} %"
        yield f"separated from no row, since {metric} is undefined in over {most} of resamples: {', '.join(undefined)}"


def _several_seeds(rows: Sequence[Figures]) -> bool:
    return any(len(row.of_seed) > 1 for row in rows)


def with_ranks(rows: Sequence[Row], ranks: Ranks) -> list[Row]:
    """The rows with their ranks."""
    return [dataclasses.replace(row, rank=ranks.get(row.recipe)) for row in rows]


def with_changes(
    rows: Sequence[Row], base: str, figures: FiguresOf, accuracy: FiguresOf, *, order_only: bool
) -> list[Row]:
    """The rows, all but that of `base`, with their change against it, and whether their accuracy falls.

    Accuracy falls if the interval of its change lies below 0. The change of a metric that is `order_only` has no interval.
    """
    compared = []
    for row in rows:
        of_row = None if row.recipe == base else _change(row.recipe, base, figures)
        if of_row is not None and order_only:
            of_row = Change(of_row.estimate, None)
        of_accuracy = None if row.recipe == base else _change(row.recipe, base, accuracy)
        falls = of_accuracy is not None and of_accuracy.interval is not None and of_accuracy.interval[1] < 0
        compared.append(dataclasses.replace(row, change=of_row, accuracy_falls=falls))
    return compared


def _change(recipe: str, base: str, figures: FiguresOf) -> Change | None:
    return change(figures[recipe], figures[base]) if {recipe, base} <= figures.keys() else None
