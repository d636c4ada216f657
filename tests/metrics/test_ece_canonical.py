"""ECE of the whole probability vector against a plain loop over cells."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import from_table, simulated

from calibench.metrics.binning import bin_index
from calibench.metrics.bootstrap import multiplicities
from calibench.metrics.ece import ECE
from calibench.metrics.ece_canonical import CanonicalECE
from calibench.metrics.load import load_metrics
from calibench.metrics.metric import Metric
from calibench.metrics.noise_floor import noise_floor


def by_loops(probs, labels, bins):
    cells = defaultdict(list)
    for i, row in enumerate(probs):
        cells[tuple(sum(p > b / bins for b in range(1, bins)) for p in row)].append(i)
    total = 0.0
    for members in cells.values():
        shares = [sum(labels[i] == k for i in members) for k in range(probs.shape[1])]
        total += sum(abs(sum(probs[i, k] for i in members) - shares[k]) for k in range(probs.shape[1])) / 2
    return total / len(probs), len(cells)


@pytest.mark.parametrize("bins", [1, 2, 10, 300])
@pytest.mark.parametrize(("n", "k"), [(1, 2), (9, 3), (400, 2), (300, 4)])
def test_the_figure_equals_its_definition(n, k, bins):
    judged, metric = simulated(n, k, seed=n + bins), CanonicalECE(bins)
    value, cells = by_loops(judged.probs, judged.labels, bins)
    assert metric.value(judged) == pytest.approx(value, abs=1e-13)
    assert metric.details(judged)["cells"] == cells


@st.composite
def tied_cases(draw):
    """A few samples with probabilities on bin edges, and weights 0 .. 3."""
    n, k = draw(st.integers(1, 12)), draw(st.integers(2, 3))
    scores = np.array(draw(st.lists(st.lists(st.integers(0, 3), min_size=k, max_size=k), min_size=n, max_size=n)))
    scores[:, 0] += scores.sum(axis=1) == 0
    labels = draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n))
    weights = np.array([draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)) for _ in range(3)], dtype=np.float64)
    weights[weights.sum(axis=1) == 0, 0] = 1
    return from_table((scores / scores.sum(axis=1, keepdims=True)).tolist(), labels), weights


@pytest.mark.slow
@given(case=tied_cases(), seed=st.integers(0, 100), bins=st.sampled_from([2, 10]))
@settings(max_examples=40, deadline=None)
def test_order_does_not_matter_and_resamples_equal_the_default(case, seed, bins):
    (judged, weights), metric = case, CanonicalECE(bins)
    value = by_loops(judged.probs, judged.labels, bins)[0]
    assert metric.value(judged) == pytest.approx(value, abs=1e-14)
    order = np.random.default_rng(seed).permutation(judged.n)
    assert metric.value(judged.take(order)) == pytest.approx(value, abs=1e-14)
    default = Metric.resampled(metric, judged, weights)
    np.testing.assert_allclose(metric.resampled(judged, weights), default, rtol=0, atol=1e-12)


@pytest.mark.parametrize("k", [2, 6])
def test_resamples_equal_the_default_on_bootstrap_weights(k):
    judged, metric = simulated(500, k, seed=1), CanonicalECE()
    weights = next(multiplicities(500, 4, seed=3))
    default = Metric.resampled(metric, judged, weights)
    np.testing.assert_allclose(metric.resampled(judged, weights), default, rtol=0, atol=1e-12)


def test_one_cell_is_the_total_variation_between_mean_prediction_and_label_shares():
    judged = from_table([[0.61, 0.39], [0.65, 0.35], [0.69, 0.31]], [0, 1, 1])
    assert CanonicalECE().value(judged) == pytest.approx(0.65 - 1 / 3)
    assert CanonicalECE().details(judged) == {"cells": 1, "alone": 0.0}


def test_a_sample_alone_in_its_cell_adds_its_missing_probability():
    judged = from_table([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], [0, 1])
    assert CanonicalECE().value(judged) == pytest.approx((0.3 + 0.9) / 2)
    assert CanonicalECE().details(judged) == {"cells": 2, "alone": 1.0}


def test_certain_predictions_are_0_if_right_and_1_if_wrong():
    table = [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    assert CanonicalECE().value(from_table(table, [0, 1, 0])) == 0
    assert CanonicalECE().value(from_table(table, [1, 0, 1])) == 1


def test_two_classes_with_one_predicted_are_the_top_label_figure():
    p = np.random.default_rng(3).uniform(0.5, 1, size=400)
    judged = from_table(np.stack([p, 1 - p], axis=1).tolist(), (np.random.default_rng(4).random(400) > 0.7).astype(int))
    on_an_edge = (bin_index(p, 10) + bin_index(1 - p, 10) != 9).any()
    assert not on_an_edge
    assert CanonicalECE().value(judged) == pytest.approx(ECE(10).value(judged), abs=1e-13)


@pytest.mark.parametrize("k", [2, 5])
def test_noise_floor_is_the_figure_of_drawn_labels(k):
    judged, metric = simulated(200, k, seed=6), CanonicalECE()
    labels = np.random.default_rng(0).integers(k, size=(3, 200))
    draws = metric.floor_draws(judged, labels == judged.prediction, labels)
    expected = [by_loops(judged.probs, row, 10)[0] for row in labels]
    np.testing.assert_allclose(draws, expected, rtol=0, atol=1e-13)
    floor = noise_floor(judged, {"metric": metric}, draws=50)["metric"]
    assert 0 < floor["mean"] < floor["p95"] < 1


def test_the_number_of_bins_is_a_parameter():
    metrics = load_metrics("ece_canonical:bins=5,ece_canonical")
    assert sorted(metric.bins for _, metric in metrics.values()) == [5, 10]
