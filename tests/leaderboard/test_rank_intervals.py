"""Rank intervals: a loop as the oracle, the level by a quick simulation, ties, NaN, seeds, groups."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibench import InputError
from calibench.leaderboard.grouped_means import GroupedMeans
from calibench.leaderboard.rank_intervals import RankIntervals, rank_intervals, rank_intervals_of_observations

B = 400


def bootstrapped(losses, resamples=B):
    """Estimates and paired replicates of the mean losses `[N, R]`."""
    n = len(losses)
    weights = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=resamples) / n
    return losses.mean(axis=0), (weights @ losses).T


def by_loops(estimates, replicates, level, tolerance):
    """Best and worst ranks of rows of which lower is better, pair by pair and replicate by replicate."""
    rows, count = replicates.shape
    gap, error, away = {}, {}, {}
    for i in range(rows):
        for j in range(rows):
            if i != j:
                of_replicates = [replicates[j, b] - replicates[i, b] for b in range(count)]
                middle = sum(of_replicates) / count
                gap[i, j] = estimates[j] - estimates[i]
                error[i, j] = (sum((value - middle) ** 2 for value in of_replicates) / count) ** 0.5
                away[i, j] = [(value - middle) / (error[i, j] or 1.0) for value in of_replicates]
    won: set[tuple[int, int]] = set()
    while True:
        still_open = [pair for pair in gap if pair not in won]
        largest = sorted(max(away[pair][b] for pair in still_open) for b in range(count))
        critical = largest[int(np.ceil(level * (count + 1) + 1.645 * (count * level * (1 - level)) ** 0.5)) - 1]
        new = {pair for pair in still_open if gap[pair] - critical * error[pair] > tolerance}
        if not new:
            break
        won |= new
    best = [1 + sum((k, i) in won for k in range(rows)) for i in range(rows)]
    worst = []
    for j in range(rows):
        others = [k for k in range(rows) if k != j]
        maybe = 1 + sum(gap[k, j] + critical * error[k, j] > tolerance for k in others)
        worst.append(max([maybe, *(best[i] for i in others if (j, i) not in won)]))
    return best, worst, critical


@pytest.mark.parametrize("tolerance", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("seed", range(4))
def test_equal_to_loops(seed, tolerance):
    rng = np.random.default_rng(seed)
    truth = np.array([0.0, 0.0, 0.03, 0.1, 0.1, 0.4])
    estimates, replicates = bootstrapped(truth + rng.normal(size=(300, 1)) + 0.3 * rng.normal(size=(300, 6)), 99)
    ranks = rank_intervals(estimates, replicates, tolerance=tolerance)
    best, worst, critical = by_loops(estimates, replicates, 0.95, tolerance)
    assert ranks.best.tolist() == best
    assert ranks.worst.tolist() == worst
    assert ranks.critical == pytest.approx(critical)
    mirrored = rank_intervals(-estimates, -replicates, better="higher", tolerance=tolerance)
    assert mirrored.best.tolist() == best


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 8), st.sampled_from([0.0, 1e-6, 0.05, 0.2]))
def test_no_row_is_ranked_below_one_that_it_is_not_separated_from(seed, rows, tolerance):
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0, 1, size=rows)
    losses = rng.normal(scale=0.1, size=rows) + spread * rng.normal(size=(60, rows))
    ranks = rank_intervals(*bootstrapped(losses, 100), tolerance=tolerance)
    below = ranks.best[:, None] > ranks.worst[None, :]
    assert not (below & ~ranks.separated.T).any()
    assert (ranks.best <= ranks.worst).all()
    assert not (ranks.separated & ranks.separated.T).any()


@pytest.mark.slow
def test_the_level_holds_for_equal_methods():
    boards = 200
    separated = 0
    for run in range(boards):
        rng = np.random.default_rng(run)
        losses = rng.normal(size=(400, 1)) + 0.5 * rng.normal(size=(400, 10))
        separated += rank_intervals(*bootstrapped(losses)).separated.any()
    assert separated / boards <= 0.1  # 5 % +- 3 standard errors


def test_the_level_holds_for_few_groups():
    boards = 200
    separated = 0
    for run in range(boards):
        rng = np.random.default_rng(run)
        of_group = rng.normal(size=(12, 6))
        groups = np.repeat(np.arange(12), 5).tolist()
        losses = of_group[groups] + 0.1 * rng.normal(size=(60, 6))
        separated += rank_intervals_of_observations(GroupedMeans.of(losses, groups), resamples=400).separated.any()
    assert separated / boards <= 0.1


@pytest.mark.slow
def test_the_level_holds_where_seeds_differ():
    boards = 200
    separated = 0
    for run in range(boards):
        rng = np.random.default_rng(run)
        estimates, replicates = bootstrapped(0.3 * rng.normal(size=(400, 6)))
        offsets = 0.05 * rng.normal(size=(6, 4))
        estimates = estimates + offsets.mean(axis=1)
        seeds = estimates[:, None] + offsets - offsets.mean(axis=1, keepdims=True)
        separated += rank_intervals(estimates, replicates, list(seeds)).separated.any()
    assert separated / boards <= 0.1


@pytest.mark.slow
def test_critical_value_of_two_methods_is_the_normal_one():
    losses = np.random.default_rng(3).normal(size=(2000, 2))
    critical = rank_intervals(*bootstrapped(losses, 4000)).critical
    assert critical == pytest.approx(NormalDist().inv_cdf(0.975), abs=0.12)


def test_equal_rows_share_a_rank():
    rng = np.random.default_rng(0)
    losses = rng.normal(size=(500, 1)) + 0.1 * rng.normal(size=(500, 3)) + np.array([0.0, 0.5, 1.0])
    twins = np.column_stack([losses, losses[:, 1], losses[:, 1] + 3e-9])
    for ranks in (rank_intervals(*bootstrapped(twins)), rank_intervals_of_observations(GroupedMeans.of(twins))):
        assert ranks.best.tolist() == [1, 2, 5, 2, 2]
        assert ranks.worst.tolist() == [1, 2, 5, 2, 2]
    exact = rank_intervals(*bootstrapped(twins), tolerance=0.0)
    assert exact.separated[1, 4]
    assert not exact.separated[1, 3]


def test_differences_within_the_tolerance_are_equal():
    replicates = np.random.default_rng(0).normal(size=(1, B)) + np.array([[0.0], [0.004], [1.0]])
    estimates = np.array([0.0, 0.004, 1.0])
    assert rank_intervals(estimates, replicates).best.tolist() == [1, 2, 3]
    tolerant = rank_intervals(estimates, replicates, tolerance=0.005)
    assert list(zip(tolerant.best, tolerant.worst, strict=True)) == [(1, 1), (1, 1), (3, 3)]


def test_one_row_and_none():
    assert rank_intervals([0.3], np.zeros((1, B))).text(0) == "1"
    assert rank_intervals([], np.zeros((0, B))).best.tolist() == []


def test_without_enough_replicates_nothing_is_separated():
    for count in (0, 1, 85):
        ranks = rank_intervals([0.0, 9.0], np.tile([[0.0], [9.0]], count))
        assert [ranks.text(row) for row in (0, 1)] == ["1-2", "1-2"]
        assert ranks.critical == np.inf
    assert rank_intervals([0.0, 9.0], np.tile([[0.0], [9.0]], 86)).text(1) == "2"


def test_undefined_figures():
    rng = np.random.default_rng(0)
    estimates, replicates = bootstrapped(0.1 * rng.normal(size=(400, 5)) + np.arange(5))
    estimates[1] = np.nan  # no rank
    replicates[2, : B // 2] = np.nan  # too many: not separated
    replicates[3, :3] = np.nan  # few: left out for all
    ranks = rank_intervals(estimates, replicates)
    assert [ranks.text(row) for row in range(5)] == ["1-2", "-", "1-4", "2-3", "3-4"]
    few = rank_intervals(estimates[[0, 3, 4]], replicates[[0, 3, 4]][:, 3:])
    assert few.critical == ranks.critical


def test_the_spread_over_seeds_counts():
    rng = np.random.default_rng(0)
    estimates, replicates = bootstrapped(0.01 * rng.normal(size=(400, 2)) + np.array([0.0, 0.1]))
    around = np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
    assert rank_intervals(estimates, replicates).text(1) == "2"
    same = [estimate + 0.001 * around for estimate in estimates]
    assert rank_intervals(estimates, replicates, same).text(1) == "2"
    wide = [estimate + 0.2 * around for estimate in estimates]
    assert rank_intervals(estimates, replicates, wide).text(1) == "1-2"
    one_seed = [same[0], estimates[1:]]
    assert rank_intervals(estimates, replicates, one_seed).text(1) == "1-2"


def test_grouped_means_equal_loops():
    rng = np.random.default_rng(1)
    table = rng.normal(size=(30, 3))
    groups = rng.integers(0, 6, size=30).tolist()
    strata = ["a" if group < 3 else "b" for group in groups]
    table[4, 1] = np.nan  # the observation is left out for all
    means = GroupedMeans.of(table, groups, strata)
    complete = [row for row in range(30) if row != 4]
    of_strata = [[table[row] for row in complete if strata[row] == name] for name in ("a", "b")]
    expected = (np.mean(of_strata[0], axis=0) + np.mean(of_strata[1], axis=0)) / 2
    assert means.estimates() == pytest.approx(expected)
    pairs = means.pairs(1.0, 10, 0)
    advantage, error = pairs.advantage, pairs.error
    assert advantage == pytest.approx([expected[0] - expected[1], expected[0] - expected[2], expected[1] - expected[2]])
    variance = 0.0
    for name in ("a", "b"):
        members = [row for row in complete if strata[row] == name]
        difference = table[:, 0] - table[:, 1]
        mean = difference[members].mean()
        of_groups = {groups[row] for row in members}
        squares = sum(
            sum(difference[row] - mean for row in members if groups[row] == group) ** 2 for group in of_groups
        )
        variance += squares / len(members) ** 2 * len(of_groups) / (len(of_groups) - 1)
    assert error[0] == pytest.approx(np.sqrt(variance) / 2)


def test_one_group_shows_no_spread():
    losses = np.arange(3) + np.random.default_rng(0).normal(size=(50, 3)) * 0.01
    ranks = rank_intervals_of_observations(GroupedMeans.of(losses, groups=["one"] * 50))
    assert [ranks.text(row) for row in range(3)] == ["1-3"] * 3
    assert rank_intervals_of_observations(GroupedMeans.of(losses)).text(2) == "3"


def test_groups_are_drawn_whole():
    copies = np.repeat(np.random.default_rng(0).normal(size=(8, 4)), 100, axis=0)
    groups = np.repeat(np.arange(8), 100).tolist()
    once = rank_intervals_of_observations(GroupedMeans.of(copies[::100]))
    grouped = rank_intervals_of_observations(GroupedMeans.of(copies, groups))
    assert isinstance(once, RankIntervals)
    assert grouped.best.tolist() == once.best.tolist()
    assert grouped.worst.tolist() == once.worst.tolist()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: rank_intervals([0.0], np.zeros((2, 5))), "do not belong"),
        (lambda: rank_intervals([0.0], np.zeros((1, 5)), better="less"), "better is 'less'"),
        (lambda: rank_intervals([0.0], np.zeros((1, 5)), level=95), "not between 0 and 1"),
        (lambda: rank_intervals([0.0], np.zeros((1, 5)), tolerance=-1.0), "not a number from 0 on"),
        (lambda: rank_intervals([0.0], np.zeros((1, 5)), seeds=[]), "seeds of 0 rows"),
        (lambda: GroupedMeans.of(np.zeros(3)), r"the shape \(3,\)"),
        (lambda: GroupedMeans.of(np.zeros((3, 2)), groups=["a"]), "1 groups and 3 observations"),
        (lambda: GroupedMeans.of(np.full((3, 2), np.nan)), "no observation is complete"),
    ],
)
def test_mistakes(call, says):
    with pytest.raises(InputError, match=says):
        call()
