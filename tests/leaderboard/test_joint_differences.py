"""Differences that are told apart at one joint level: simulated boards of equal figures, and what is certain."""

from __future__ import annotations

import numpy as np
import pytest

from calibench.leaderboard.change import Difference
from calibench.leaderboard.joint_differences import told_apart

SAMPLES, RESAMPLES, TESTS = 150, 400, 12


def differences(rng: np.random.Generator, mean: float, seeds: int = 1) -> list[Difference]:
    """Twelve differences of two losses on the same samples, each of `mean` in the population; noise of each seed is added."""
    losses = rng.standard_exponential((2, TESTS, SAMPLES))
    values = mean + losses[0] - losses[1]
    weights = rng.multinomial(SAMPLES, np.full(SAMPLES, 1 / SAMPLES), size=RESAMPLES) / SAMPLES
    over = 0.1 * rng.normal(size=(TESTS, seeds)) if seeds > 1 else np.zeros((TESTS, 1))
    return [
        Difference(
            float(own.mean() + of_seeds.mean()),
            weights @ own + of_seeds.mean(),
            ((float(of_seeds.var(ddof=1)) / seeds, seeds - 1),) if seeds > 1 else (),
        )
        for own, of_seeds in zip(values, over, strict=True)
    ]


def error_rate(seeds: int) -> float:
    rng = np.random.default_rng(0)
    return float(np.mean([told_apart(differences(rng, 0.0, seeds)).any() for _ in range(200)]))


@pytest.mark.slow
def test_equal_figures_are_told_apart_on_few_boards() -> None:
    """Of 200 boards with twelve tests each at 5 %, at most 9 % may err (a binomial's 99 % bound); test by test 40 % would."""
    assert error_rate(1) <= 0.09
    assert error_rate(3) <= 0.09


def test_large_differences_are_told_apart_and_small_ones_not() -> None:
    rng = np.random.default_rng(1)
    found = [*differences(rng, 1.0), *differences(rng, 0.0)]
    apart = told_apart(found)
    assert apart[:TESTS].all()
    assert not apart[TESTS:].any()
    assert not told_apart(found, tolerance=2.0).any()


def test_without_replicates_nothing_is_told_apart() -> None:
    rng = np.random.default_rng(2)
    known = differences(rng, 5.0)[0]
    undefined = Difference(5.0, np.full(RESAMPLES, np.nan))
    found = [Difference(5.0, None), known, undefined]
    assert told_apart(found).tolist() == [False, True, False]
    assert told_apart([]).tolist() == []
    assert told_apart([Difference(1.0, None)]).tolist() == [False]
