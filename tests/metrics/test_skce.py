"""SKCE against its definition by expectations over labels, its resamples, blocks and test."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import from_table, simulated

from calibench.errors import InputError
from calibench.metrics import skce
from calibench.metrics.bootstrap import multiplicities
from calibench.metrics.judged import Judged
from calibench.metrics.load import load_metrics
from calibench.metrics.metric import Metric
from calibench.metrics.skce import SKCE
from calibench.outputs.several_labels import yes_no_outputs


def total_variation(p, q):
    return math.fsum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2


def term(p, y, q, z, bandwidth):
    """k(y, z) - E k(Y, z) - E k(y, Z) + E k(Y, Z) for Y ~ p, Z ~ q and the kernel exp(-TV / bandwidth) [y = z]."""
    over_labels = float(y == z) - p[z] - q[y] + math.fsum(a * b for a, b in zip(p, q, strict=True))
    return math.exp(-total_variation(p, q) / bandwidth) * over_labels


def by_loops(probs, labels, bandwidth, blocks=1):
    n = len(probs)
    pairs = [(i, j) for i in range(n) for j in range(i) if i % blocks == j % blocks]
    bandwidth = bandwidth or np.median([total_variation(probs[i], probs[j]) for i, j in pairs])
    terms = [term(probs[i], labels[i], probs[j], labels[j], bandwidth) for i, j in pairs]
    return math.fsum(terms) / len(terms), bandwidth


@pytest.mark.parametrize("bandwidth", [0.0, 0.3])
@pytest.mark.parametrize(("n", "k"), [(2, 2), (9, 3), (120, 5)])
def test_the_figure_equals_its_definition(n, k, bandwidth):
    judged, metric = simulated(n, k, seed=n), SKCE(bandwidth)
    value, used = by_loops(judged.probs, judged.labels, bandwidth)
    assert metric.value(judged) == pytest.approx(value, abs=1e-14)
    details = metric.details(judged)
    assert details["bandwidth"] == pytest.approx(used, rel=1e-14)
    assert details["blocks"] == 1


def test_many_samples_are_compared_within_blocks(monkeypatch):
    monkeypatch.setattr(skce, "PAIRS", 1500)
    judged, metric = simulated(80, 3, seed=1), SKCE()
    value, used = by_loops(judged.probs, judged.labels, 0.0, blocks=5)
    assert metric.value(judged) == pytest.approx(value, abs=1e-14)
    assert metric.details(judged) == {
        "bandwidth": pytest.approx(used),
        "blocks": 5,
        "p_value": metric.details(judged)["p_value"],
    }
    weights = next(multiplicities(80, 4, seed=3))
    default = Metric.resampled(metric, judged, weights)
    np.testing.assert_allclose(metric.resampled(judged, weights), default, rtol=0, atol=1e-12)


def weighted_by_loops(judged, weights, bandwidth):
    pairs = [(i, j) for i in range(judged.n) for j in range(i)]
    p, y = judged.probs, judged.labels
    terms = [weights[i] * weights[j] * term(p[i], y[i], p[j], y[j], bandwidth) for i, j in pairs]
    return math.fsum(terms) / math.fsum(weights[i] * weights[j] for i, j in pairs)


@pytest.mark.slow
@given(st.integers(0, 10_000), st.integers(2, 25), st.integers(2, 4))
@settings(max_examples=25, deadline=None)
def test_order_does_not_matter_and_resamples_equal_the_default(seed, n, k):
    judged, metric = simulated(n, k, seed), SKCE()
    value, bandwidth = by_loops(judged.probs, judged.labels, 0.0)
    order = np.random.default_rng(seed).permutation(n)
    assert metric.value(judged.take(order)) == pytest.approx(value, abs=1e-13)
    reordered = from_table(judged.probs[order].tolist(), judged.labels[order])
    assert metric.value(reordered) == pytest.approx(value, abs=1e-13)
    weights = next(multiplicities(n, 4, seed))
    weights = weights[(weights > 0).sum(axis=1) > 1]
    figures = metric.resampled(judged, weights)
    np.testing.assert_allclose(figures, Metric.resampled(metric, judged, weights), rtol=0, atol=1e-12)
    expected = [weighted_by_loops(judged, row, bandwidth) for row in weights]
    np.testing.assert_allclose(figures, expected, rtol=0, atol=1e-12)


def test_a_subset_has_the_bandwidth_of_the_samples_that_it_was_taken_from():
    judged, metric = simulated(60, 3, seed=2), SKCE()
    bandwidth = metric.details(judged)["bandwidth"]
    rows = np.array([4, 9, 30, 31, 59])
    subset = judged.take(np.arange(59, -1, -1)).take(59 - rows)
    assert subset.origin[0] is judged
    assert subset.origin[1].tolist() == rows.tolist()
    expected = by_loops(judged.probs[rows], judged.labels[rows], bandwidth)[0]
    assert metric.value(subset) == pytest.approx(expected, abs=1e-14)
    assert metric.details(subset)["bandwidth"] == bandwidth


def test_one_sample_and_copies_of_one_sample_are_undefined():
    metric = SKCE()
    one = from_table([[0.7, 0.3]], [0])
    assert math.isnan(metric.value(one))
    assert math.isnan(metric.details(one)["p_value"])
    two = from_table([[0.7, 0.3], [0.6, 0.4]], [0, 1])
    assert np.isnan(metric.resampled(two, np.array([[2.0, 0.0]]))).all()


def test_equal_predictions_have_kernel_1():
    judged = from_table([[0.75, 0.25]] * 4, [0, 0, 0, 1])
    gaps = judged.probs - np.eye(2)[judged.labels]
    assert SKCE().value(judged) == pytest.approx(((gaps.sum(axis=0) ** 2).sum() - (gaps**2).sum()) / 12)
    assert SKCE().details(judged)["bandwidth"] == 1


def test_a_median_of_0_gives_way_to_the_mean():
    judged = from_table([[1.0, 0.0]] * 9 + [[0.5, 0.5]], [0] * 10)
    assert SKCE().details(judged)["bandwidth"] == pytest.approx(9 * 0.5 / 45)


def test_certain_and_right_is_0():
    judged = from_table([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [0, 1, 0])
    assert SKCE().value(judged) == 0
    assert SKCE().details(judged)["p_value"] == 1


def test_several_labels_do_not_apply():
    judged = Judged(yes_no_outputs(torch.randn(2, 3)), torch.tensor([1, 0, 1, 0, 0, 1]))
    assert not SKCE().applies(judged)
    assert SKCE().applies(simulated(5, 3, seed=0))


@pytest.mark.parametrize("bandwidth", [-1.0, math.nan, math.inf])
def test_a_bad_bandwidth_is_refused(bandwidth):
    with pytest.raises(InputError, match="not a bandwidth"):
        SKCE(bandwidth)
    assert load_metrics("skce:bandwidth=0.5").popitem()[1][1].bandwidth == 0.5


def dirichlet_case(rng, sharpness, n=100):
    """Labels drawn from p, where the model says p^sharpness: calibrated if that is 1."""
    p = rng.dirichlet(np.ones(3), size=n)
    labels = (rng.random(n)[:, None] > p.cumsum(axis=1)[:, :-1]).sum(axis=1)
    q = p**sharpness
    return from_table((q / q.sum(axis=1, keepdims=True)).tolist(), labels)


@pytest.mark.slow
def test_a_calibrated_model_has_mean_0_and_uniform_p_values_and_another_has_small_ones(monkeypatch):
    monkeypatch.setattr(skce, "FLIPS", 200)
    rng, metric = np.random.default_rng(7), SKCE()
    cases = [dirichlet_case(rng, 1) for _ in range(200)]
    values = [metric.value(judged) for judged in cases]
    assert abs(np.mean(values)) < 3 * np.std(values) / math.sqrt(200)
    p_values = np.array([metric.details(judged)["p_value"] for judged in cases])
    for level in (0.05, 0.2, 0.5):
        assert abs((p_values <= level).mean() - level) < 3.5 * math.sqrt(level * (1 - level) / 200)
    assert metric.details(dirichlet_case(rng, 4, n=300))["p_value"] < 0.01
