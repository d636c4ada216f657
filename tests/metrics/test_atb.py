"""Averaged two-bin calibration error against the integral over its edge."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from metric_cases import binary, simulated
from tied_cases import check_floor_of_the_labels, check_order, check_resampled, tied_cases

from calibench.metrics.atb import ATB
from calibench.metrics.bootstrap import multiplicities


def by_intervals(judged):
    """Exact: the sum over the intervals between distinct confidences of width times both squared gap sums."""
    confidence = [min(Fraction(1), Fraction(float(c))) for c in judged.confidence]
    gaps = [Fraction(float(c)) - int(a) for c, a in zip(judged.confidence, judged.correct, strict=True)]
    points = sorted({Fraction(0), *confidence, Fraction(1)})
    total = Fraction(0)
    for low, high in pairwise(points):
        below = sum((g for c, g in zip(confidence, gaps, strict=True) if c <= low), Fraction(0))
        above = sum((g for c, g in zip(confidence, gaps, strict=True) if c > low), Fraction(0))
        total += (high - low) * (below**2 + above**2)
    return float(total / judged.n**2)


@pytest.mark.parametrize(("n", "k"), [(1, 2), (7, 3), (60, 5)])
def test_it_equals_its_definition(n, k):
    judged = simulated(n, k, seed=n)
    assert ATB().value(judged) == pytest.approx(by_intervals(judged), abs=1e-15)
    assert ATB().details(judged)["root"] == pytest.approx(math.sqrt(by_intervals(judged)), abs=1e-12)


def test_it_is_the_mean_over_edges():
    judged = simulated(500, 4, seed=3)
    edges = (np.arange(20_000) + 0.5) / 20_000
    gap = judged.confidence - judged.correct
    below = np.array([gap[judged.confidence < q].sum() for q in edges])
    mean = np.mean(below**2 + (gap.sum() - below) ** 2) / 500**2
    assert ATB().value(judged) == pytest.approx(mean, rel=1e-3)


@given(case=tied_cases())
@settings(max_examples=60, deadline=None)
def test_resamples_orders_and_floors_of_tied_samples(case):
    judged, weights = case
    assert ATB().value(judged) == pytest.approx(by_intervals(judged), abs=1e-14)
    check_resampled(ATB(), judged, weights)
    check_order(ATB(), judged)
    check_floor_of_the_labels(ATB(), judged)


def test_resamples_of_many_samples():
    check_resampled(ATB(), simulated(700, 6, seed=1), next(multiplicities(700, 5, seed=3)))


def test_one_sample_and_equal_confidences():
    assert ATB().value(binary([1.0], [1])) == 0
    assert ATB().value(binary([1.0], [0])) == 1
    assert ATB().value(binary([0.7] * 10, [1] * 7 + [0] * 3)) == pytest.approx(0, abs=1e-15)
    assert ATB().value(binary([0.7] * 10, [0] * 10)) == pytest.approx(0.49)


def test_true_probabilities_of_a_binary_outcome_have_the_smallest_mean():
    """Over all outcomes of three samples, weighted by their probability: the property that the paper proves."""
    truth = np.array([0.55, 0.7, 0.9])

    def expected(report):
        figures = 0.0
        for outcome in np.ndindex(2, 2, 2):
            chance = np.prod(np.where(np.array(outcome) == 1, truth, 1 - truth))
            figures += chance * ATB().value(binary(report, outcome))
        return figures

    best = expected(truth)
    rng = np.random.default_rng(0)
    for _ in range(100):
        assert expected(np.clip(truth + rng.normal(size=3) * 0.1, 0.5, 1)) > best
