"""Deviations in blocks equal those of all pairs at once, to the last bit, in the memory of a few tables."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from calibench.leaderboard.paired_differences import _spread_over_seeds, pairs_of_replicates
from calibench.leaderboard.rank_intervals import rank_intervals


def all_at_once(table, seeds):
    """Standard errors `[P]` and standardised deviations `[P, B]` of all pairs."""
    first, second = np.triu_indices(len(table), 1)
    centred = table - table.mean(axis=1, keepdims=True)
    deviation = centred[second] - centred[first]
    variance = np.square(deviation).mean(axis=1)
    error, error_of_draw = np.sqrt(variance), np.sqrt(variance)[:, None]
    if seeds is not None:
        of_seeds, of_mean, of_draw = _spread_over_seeds(seeds, table.shape[1])
        deviation = deviation + of_seeds[second] - of_seeds[first]
        error = np.sqrt(variance + of_mean[second] + of_mean[first])
        error_of_draw = np.sqrt(variance[:, None] + of_draw[second] + of_draw[first])
    return error, deviation / np.where(error_of_draw > 0, error_of_draw, 1.0)


@pytest.mark.parametrize("shape", [(1, 5), (2, 2), (3, 1), (3, 0), (5, 7), (12, 1000), (7, 1003)])
@pytest.mark.parametrize("with_seeds", [False, True])
def test_equal_to_all_pairs_at_once(shape, with_seeds):
    rng = np.random.default_rng(0)
    table = rng.normal(size=shape)
    seeds = [rng.normal(size=rng.integers(2, 6)) for _ in table] if with_seeds else None
    if len(table) > 2:
        table[2] = table[0]  # a deviation of 0, with a standard error of 0
    if with_seeds and len(table) > 2:
        seeds[0], seeds[2] = np.zeros(3), np.zeros(4)
    pairs = pairs_of_replicates(np.arange(len(table)) * 1.0, table, seeds)
    assert len(pairs.advantage) == len(table) * (len(table) - 1) // 2
    if shape[1] < 2:
        assert pairs.count == 0
        assert np.isinf(pairs.error).all()
        return
    error, deviation = all_at_once(table, seeds)
    assert pairs.error.tobytes() == error.tobytes()
    for chosen in (np.ones(len(error), dtype=bool), rng.random(len(error)) < 0.5):
        blocks = np.full_like(deviation, np.nan)
        for places, block in pairs.blocks(chosen):
            blocks[places] = block
        np.testing.assert_allclose(blocks[chosen], deviation[chosen], rtol=1e-12, atol=1e-12)
        assert np.isnan(blocks[~chosen]).all()


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_largest_deviations_are_of_rows_that_may_win(share):
    table = np.random.default_rng(1).normal(size=(6, 40))
    pairs = pairs_of_replicates(np.zeros(6), table, None)
    _, deviation = all_at_once(table, None)
    may_win = np.random.default_rng(2).random((2, len(deviation))) < share
    in_favour = np.where(may_win[:, :, None], [deviation, -deviation], -np.inf)
    of_replicate, of_row = pairs.largest(may_win)
    assert np.array_equal(of_replicate, in_favour.max(axis=(0, 1)))
    assert np.array_equal(of_row, in_favour.max(axis=2))


@pytest.mark.parametrize("pruned", [0.0, 0.02, 1e9])
@pytest.mark.parametrize("with_seeds", [False, True])
def test_pairs_that_are_left_out_decide_nothing(pruned, with_seeds, monkeypatch):
    """0 leaves out as many as any value may decide, and everything is then computed again; 1e9 leaves out none."""
    rng = np.random.default_rng(3)
    table = np.linspace(0, 1, 20)[:, None] + rng.normal(size=(1, 300)) + 0.1 * rng.normal(size=(20, 300))
    seeds = [np.linspace(0, 1, 20)[row] + 0.05 * rng.normal(size=4) for row in range(20)] if with_seeds else None
    estimates = table.mean(axis=1) if seeds is None else [float(np.mean(of_row)) for of_row in seeds]
    expected = rank_intervals(estimates, table, seeds)
    monkeypatch.setattr("calibench.leaderboard.rank_intervals.PRUNED", pruned)
    ranks = rank_intervals(estimates, table, seeds)
    assert ranks.critical == expected.critical
    assert np.array_equal(ranks.separated, expected.separated)
    assert 0.1 < ranks.separated.mean() < 0.5  # several steps down


def test_memory_grows_with_rows_and_not_with_pairs():
    rows, count = 150, 200
    rng = np.random.default_rng(0)
    table = rng.normal(size=(rows, count))
    seeds = list(rng.normal(size=(rows, 3)))
    estimates = [float(np.mean(of_row)) for of_row in seeds]
    tracemalloc.start()
    rank_intervals(estimates, table, seeds)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * table.nbytes  # a table of all pairs has the size of 75
