"""Pairs of means over groups: every deviation equals a loop over resamples, and many pairs take little memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from calibench.leaderboard.grouped_means import GroupedMeans
from calibench.leaderboard.win_rates import Layout, win_rates_of

RESAMPLES, SEED = 300, 7


def loop(table: NDArray[np.float64], groups: list[int], strata: list[str]) -> NDArray[np.float64]:
    """The studentised deviation of the first from the second method in each resample `[B]`, one resample at a time."""
    rng = np.random.default_rng(SEED)
    difference = table[:, 0] - table[:, 1]
    of_stratum = []
    for name in dict.fromkeys(strata):
        members = list(dict.fromkeys(g for g, s in zip(groups, strata, strict=True) if s == name))
        lists = [
            [d for d, g, s in zip(difference, groups, strata, strict=True) if (g, s) == (group, name)]
            for group in members
        ]
        count = len(members)
        of_stratum.append((lists, rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)))
    deviations = []
    for number in range(RESAMPLES):
        deviation = variance = 0.0
        for lists, weights in of_stratum:
            drawn = [values for values, weight in zip(lists, weights[number], strict=True) for _ in range(weight)]
            mean = np.mean([d for values in drawn for d in values])
            squares = sum(sum(d - mean for d in values) ** 2 for values in drawn)
            variance += squares / sum(map(len, drawn)) ** 2 * len(drawn) / (len(drawn) - 1)
            deviation += mean - np.mean([d for values in lists for d in values])
        deviations.append(0.0 if abs(deviation) <= 1e-12 else deviation / np.sqrt(variance) if variance > 0 else np.inf)
    return np.array(deviations)


@pytest.mark.parametrize("sizes", [(4, 3), (1, 1), (2, 5)], ids=str)
def test_deviations_are_those_of_a_loop_over_resamples(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    groups = [group for group in range(9) for _ in range(sizes[group % 2])]
    strata = ["a" if group < 5 else "b" for group in groups]
    table = rng.normal(size=(len(groups), 2))
    pairs = GroupedMeans.of(table, groups, strata).pairs(1.0, RESAMPLES, SEED)
    of_first, of_pair = pairs.largest(np.array([[True], [False]]))
    expected = loop(table, groups, strata)
    finite = np.isfinite(expected)
    assert of_first[finite] == pytest.approx(expected[finite], rel=1e-9, abs=1e-9)
    assert len(of_first) == RESAMPLES
    assert of_pair[0, 0] == of_first.max()
    (opposite, _) = pairs.largest(np.array([[False], [True]]))
    assert opposite[finite] == pytest.approx(-expected[finite], rel=1e-9, abs=1e-9)


def test_hundreds_of_recipes_take_little_memory() -> None:
    recipes, datasets = 300, 6
    figures = np.random.default_rng(0).normal(size=(datasets, recipes))
    names = [f"r{number}" for number in range(recipes)]
    tracemalloc.start()
    try:
        made = win_rates_of(figures, names, list(range(datasets)), [""] * datasets, Layout("recipe", ("task",), "nll"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(made.rows) == recipes
    assert peak < 100e6, "all pairs and resamples at once would be 700 MB a table"
