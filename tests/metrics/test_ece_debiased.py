"""Debiased calibration error against its definition in exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from metric_cases import binary, simulated
from tied_cases import check_floor_of_the_labels, check_order, check_resampled, tied_cases

from calibench.metrics.bootstrap import multiplicities
from calibench.metrics.ece_debiased import DebiasedECE
from calibench.metrics.load import load_metrics
from calibench.metrics.noise_floor import noise_floor


def signed_square(judged, bins):
    """In exact arithmetic; None if no bin has two samples."""
    total, several = Fraction(0), False
    for b in range(bins):
        inside = [
            i for i, p in enumerate(judged.confidence) if b / bins < p <= (b + 1) / bins or (b == bins - 1 and p > 1)
        ]
        n = len(inside)
        if n > 1:
            several = True
            confidence = sum(Fraction(float(judged.confidence[i])) for i in inside) / n
            accuracy = Fraction(int(sum(judged.correct[i] for i in inside)), n)
            total += Fraction(n, judged.n) * ((confidence - accuracy) ** 2 - accuracy * (1 - accuracy) / (n - 1))
    return total if several else None


@pytest.mark.parametrize("bins", [1, 2, 15, 100])
@pytest.mark.parametrize(("n", "k"), [(2, 2), (9, 3), (400, 5), (3000, 2)])
def test_it_equals_its_definition(n, k, bins):
    judged = simulated(n, k, seed=n + bins)
    exact = signed_square(judged, bins)
    value = DebiasedECE(bins).value(judged)
    if exact is None:
        assert math.isnan(value)
    else:
        assert value == pytest.approx(math.sqrt(max(0, exact)), abs=1e-15)
        assert DebiasedECE(bins).details(judged)["signed_square"] == pytest.approx(float(exact), abs=1e-15)


@pytest.mark.slow
@given(case=tied_cases())
@settings(max_examples=100, deadline=None)
def test_resamples_orders_and_floors_of_tied_samples(case):
    judged, weights = case
    for bins in (15, 4):
        check_resampled(DebiasedECE(bins), judged, weights)
        check_order(DebiasedECE(bins), judged)
        check_floor_of_the_labels(DebiasedECE(bins), judged)


def test_resamples_of_many_samples_are_exact():
    judged = simulated(700, 6, seed=1)
    weights = next(multiplicities(700, 5, seed=3))
    check_resampled(DebiasedECE(), judged, weights)
    resampled = [DebiasedECE().value(judged.take(np.repeat(np.arange(700), row.astype(int)))) for row in weights]
    assert DebiasedECE().resampled(judged, weights).tolist() == resampled


def test_a_negative_square_gives_0_and_is_in_the_details():
    judged = binary([0.5, 0.5], [1, 0])
    assert DebiasedECE().value(judged) == 0
    assert DebiasedECE().details(judged) == {"signed_square": -0.25, "single_bins": 0}


def test_a_bin_of_one_sample_adds_0_and_counts_in_n():
    judged = binary([1.0, 1.0, 0.6], [0, 0, 0])
    assert DebiasedECE(10).value(judged) == pytest.approx(math.sqrt(2 / 3))
    assert DebiasedECE(10).details(judged)["single_bins"] == 1


def test_it_is_undefined_without_a_bin_of_two_samples():
    for judged in (binary([0.8], [1]), binary([0.6, 0.9], [1, 0])):
        assert math.isnan(DebiasedECE(10).value(judged))
        assert noise_floor(judged, {"debiased": DebiasedECE(10)}, draws=5) == {}


def test_confidence_1_and_an_exact_cancellation():
    assert DebiasedECE().value(binary([1.0] * 5, [1] * 5)) == 0
    assert DebiasedECE().value(binary([1.0, 1.0], [1, 0])) == 0  # (1/2)^2 - 1/4
    assert DebiasedECE().value(binary([1.0, 1.0], [0, 0])) == 1


def test_the_square_of_calibrated_samples_has_mean_0_and_that_of_the_plug_in_has_not():
    rng = np.random.default_rng(0)
    squares, plug_in = [], []
    for _ in range(400):
        confidence = np.full(60, 0.8)
        judged = binary(confidence, rng.random(60) < confidence)
        squares.append(DebiasedECE(15).details(judged)["signed_square"])
        plug_in.append((judged.confidence.mean() - judged.correct.mean()) ** 2)
    standard_error = np.std(squares) / math.sqrt(400)
    assert abs(np.mean(squares)) < 4 * standard_error
    assert np.mean(plug_in) > 6 * standard_error


def test_the_number_of_bins_is_in_the_name():
    for text in ("ece_debiased20", "ece_debiased:bins=20"):
        ((name, (spec, metric)),) = load_metrics(text).items()
        assert (name, metric.bins, "20 equal-width" in spec.summary) == ("ece_debiased20", 20, True)
