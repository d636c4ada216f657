"""KS and Kuiper calibration errors against plain loops, and their p-values against the laws of Brownian motion."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import binary, from_table, simulated

from calibench.metrics import brownian_motion
from calibench.metrics.bootstrap import multiplicities
from calibench.metrics.brownian_motion import max_tail, range_tail
from calibench.metrics.judged import Judged
from calibench.metrics.ks import KS
from calibench.metrics.kuiper import Kuiper
from calibench.metrics.metric import Metric
from calibench.metrics.noise_floor import noise_floor
from calibench.outputs.several_labels import yes_no_outputs

each = pytest.mark.parametrize("metric", [KS(), Kuiper()], ids=["ks", "kuiper"])


def sums_by_loops(confidence, correct):
    """C_0, C_1 and so on, one for each different confidence."""
    n, sums = len(confidence), [0.0]
    for threshold in sorted(set(confidence)):
        below = [i for i in range(n) if confidence[i] <= threshold]
        sums.append(math.fsum(confidence[i] - correct[i] for i in below) / n)
    return sums


@pytest.mark.parametrize(("n", "k"), [(1, 2), (7, 3), (300, 5)])
def test_both_equal_their_definitions(n, k):
    judged = simulated(n, k, seed=n)
    sums = sums_by_loops(judged.confidence, judged.correct)
    assert KS().value(judged) == pytest.approx(max(map(abs, sums)), abs=1e-15)
    assert Kuiper().value(judged) == pytest.approx(max(sums) - min(sums), abs=1e-15)


@st.composite
def tied_cases(draw):
    """A few samples of few confidences, and weights 0 .. 3."""
    n = draw(st.integers(1, 12))
    confidence = draw(st.lists(st.sampled_from([0.5, 0.6, 0.75, 1.0]), min_size=n, max_size=n))
    correct = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    weights = np.array([draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)) for _ in range(3)], dtype=np.float64)
    weights[weights.sum(axis=1) == 0, 0] = 1
    return binary(confidence, correct), weights


@pytest.mark.slow
@given(case=tied_cases(), seed=st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_ties_are_added_together_and_resamples_equal_the_default(case, seed):
    judged, weights = case
    sums = sums_by_loops(judged.confidence, judged.correct)
    order = np.random.default_rng(seed).permutation(judged.n)
    for metric, figure in ((KS(), max(map(abs, sums))), (Kuiper(), max(sums) - min(sums))):
        assert metric.value(judged) == pytest.approx(figure, abs=1e-15)
        assert metric.value(judged.take(order)) == pytest.approx(figure, abs=1e-15)
        default = Metric.resampled(metric, judged, weights)
        np.testing.assert_allclose(metric.resampled(judged, weights), default, rtol=0, atol=1e-12)


@each
def test_resamples_equal_the_default_on_bootstrap_weights(metric):
    judged = simulated(700, 6, seed=1)
    weights = next(multiplicities(700, 5, seed=3))
    default = Metric.resampled(metric, judged, weights)
    np.testing.assert_allclose(metric.resampled(judged, weights), default, rtol=0, atol=1e-12)


@each
def test_one_sign_of_gap_makes_both_the_mean_gap(metric):
    assert metric.value(binary([0.9, 0.8, 0.7], [0, 0, 0])) == pytest.approx(0.8)
    assert metric.value(binary([0.9, 0.8, 0.7], [1, 1, 1])) == pytest.approx(0.2)
    assert metric.value(binary([0.75] * 4, [1, 1, 0, 1])) == 0


def test_kuiper_is_the_largest_gap_over_an_interval_and_at_most_twice_ks():
    judged = binary([0.5, 0.6, 0.9, 0.95], [1, 1, 0, 0])
    assert KS().value(judged) == pytest.approx((1.85 - 0.9) / 4)
    assert Kuiper().value(judged) == pytest.approx(1.85 / 4)


@each
def test_certain_samples_have_no_sigma_and_no_p_value(metric):
    right, wrong = from_table([[1.0, 0.0]] * 3, [0] * 3), from_table([[1.0, 0.0]] * 3, [1] * 3)
    assert (metric.value(right), metric.value(wrong)) == (0, 1)
    details = metric.details(wrong)
    assert details["sigma"] == 0
    assert math.isnan(details["ratio"])
    assert math.isnan(details["p_value"])


def test_details_hold_sigma_ratio_and_p_value():
    judged = simulated(200, 4, seed=5)
    sigma = math.sqrt(sum(c * (1 - c) for c in judged.confidence)) / 200
    for metric, tail in ((KS(), max_tail), (Kuiper(), range_tail)):
        details = metric.details(judged)
        assert details["sigma"] == pytest.approx(sigma, rel=1e-12)
        assert details["ratio"] == pytest.approx(metric.value(judged) / sigma, rel=1e-12)
        assert details["p_value"] == tail(details["ratio"])


@each
def test_several_labels_have_no_p_value(metric):
    labels = torch.tensor([[1, 0, 1], [0, 0, 1]])
    judged = Judged(yes_no_outputs(torch.randn(2, 3, generator=torch.Generator().manual_seed(0))), labels.flatten())
    assert set(metric.details(judged)) == {"sigma", "ratio"}


@each
def test_noise_floor_is_the_figure_of_drawn_labels(metric):
    confidence = np.random.default_rng(1).uniform(0.5, 1, size=300).round(2)
    judged = binary(confidence, np.ones(300))
    correct = np.random.default_rng(0).random((3, 300)) < confidence
    draws = metric.floor_draws(judged, correct, np.zeros((3, 300), dtype=np.int64))
    expected = [metric.value(binary(confidence, row)) for row in correct]
    np.testing.assert_allclose(draws, expected, rtol=0, atol=1e-14)
    floor = noise_floor(judged, {"metric": metric}, draws=50)["metric"]
    assert 0 < floor["mean"] < floor["p95"] < metric.value(judged)


@pytest.mark.slow
@each
def test_p_values_of_calibrated_models_are_uniform_or_larger(metric):
    rng = np.random.default_rng(4)
    p_values = []
    for _ in range(400):
        confidence = rng.uniform(0.5, 1, size=300)
        p_values.append(metric.details(binary(confidence, rng.random(300) < confidence))["p_value"])
    for level in (0.05, 0.2, 0.5):
        share = np.mean(np.array(p_values) <= level)
        assert level - 0.12 < share < level + 3 * math.sqrt(level * (1 - level) / 400)


def test_the_two_series_of_each_tail_agree(monkeypatch):
    for tail in (max_tail, range_tail):
        for x in (1.0, 1.5, 2.0, 3.0):
            monkeypatch.setattr(brownian_motion, "_SWITCH", 0.0)
            by_normal_tails = tail(x)
            monkeypatch.setattr(brownian_motion, "_SWITCH", 10.0)
            assert tail(x) == pytest.approx(by_normal_tails, abs=1e-14)


@pytest.mark.slow
def test_tails_have_the_means_of_brownian_motion():
    """E max |W| = sqrt(pi / 2), and E (max W - min W) = 2 sqrt(2 / pi): the integrals of the tails."""
    x = np.linspace(0, 12, 12_001)
    for tail, mean in ((max_tail, math.sqrt(math.pi / 2)), (range_tail, 2 * math.sqrt(2 / math.pi))):
        values = np.array([tail(point) for point in x])
        assert (np.diff(values) <= 1e-15).all()
        assert (values[1:] + values[:-1]).sum() / 2 * (x[1] - x[0]) == pytest.approx(mean, abs=1e-7)
        assert tail(0.0) == 1
        assert math.isnan(tail(math.nan))
