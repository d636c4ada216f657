"""Intervals of weighted samples: equal weights, the unit of the weights, the noise of cells, and coverage."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from metric_cases import simulated

from calibench.metrics.bootstrap import Sampling, bootstrap
from calibench.metrics.gap_cells import TopCells
from calibench.metrics.intervals import intervals
from calibench.metrics.judged import Judged
from calibench.metrics.load import load_metrics
from calibench.metrics.mean_interval import mean_interval, share_interval, wilson_interval
from calibench.metrics.no_interval import NoInterval
from calibench.metrics.reliability import reliability
from calibench.metrics.top_figure import too_few


def lognormal(n, seed=0):
    return np.random.default_rng(seed).lognormal(0, 1, size=n)


def bounds_of(judged, names="default,smece,ks,rms_ce", seed=0):
    metrics = {name: metric for name, (spec, metric) in load_metrics(names).items() if not spec.needs_decision}
    metrics = {name: metric for name, metric in metrics.items() if metric.applies(judged)}
    estimates = {name: metric.value(judged) for name, metric in metrics.items()}
    replicates = bootstrap(judged, metrics, estimates, Sampling())
    return estimates, intervals(judged, metrics, estimates, replicates, Sampling(seed=seed))


def test_the_ratio_of_equal_weights_is_the_mean():
    x = np.random.default_rng(0).exponential(size=80)
    assert mean_interval(x, 0.9, np.full(80, 3.0)) == pytest.approx(mean_interval(x, 0.9), rel=1e-12)


def test_zeros_and_the_unit_of_weights_change_no_mean_interval():
    x, w = np.random.default_rng(1).exponential(size=80), lognormal(80)
    w[:9] = 0
    bounds = mean_interval(x, 0.95, w)
    assert bounds == pytest.approx(mean_interval(x[9:], 0.95, 7 * w[9:]), rel=1e-12)
    assert bounds[0] < np.average(x, weights=w) < bounds[1]


def test_weighted_shares_lie_within_0_and_1_and_few_of_a_kind_have_the_interval_of_wilson():
    w = lognormal(60)
    n = w.sum() ** 2 / (w**2).sum()
    assert share_interval(np.ones(60), 0.95, w) == pytest.approx(wilson_interval(n, n), rel=1e-12)
    three_wrong = (np.arange(60) > 2).astype(float)
    low, high = share_interval(three_wrong, 0.95, w)
    assert (low, high) == pytest.approx(wilson_interval(np.average(three_wrong, weights=w) * n, n), rel=1e-12)
    low, high = share_interval((np.arange(60) > 5).astype(float), 0.95, w)
    assert 0 < low < high <= 1


def test_one_sample_with_all_of_the_weight_has_no_interval():
    found = mean_interval(np.arange(30.0), 0.95, np.array([1.0] * 29 + [1e6]))
    assert isinstance(found, NoInterval)
    assert isinstance(mean_interval(np.arange(30.0), 0.95, np.array([1.0] * 19 + [0.0] * 11)), NoInterval)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.6, 0.9])
def test_the_ratio_is_covered_where_weights_go_with_the_values(share):
    rng, covered, runs = np.random.default_rng(3), 0, 1500
    tilt = np.log(share / (1 - share))
    z = rng.normal(size=400_000)
    true = np.average(1 / (1 + np.exp(-tilt - 0.6 * z)), weights=np.exp(z))
    for _ in range(runs):
        z = rng.normal(size=300)
        x = (rng.random(300) < 1 / (1 + np.exp(-tilt - 0.6 * z))).astype(float)
        low, high = share_interval(x, 0.95, np.exp(z))
        covered += low <= true <= high
    assert 0.93 <= covered / runs <= 0.975


def test_the_noise_of_a_cell_has_the_variance_of_weighted_labels():
    rng, w = np.random.default_rng(0), lognormal(600)
    p = rng.uniform(0.5, 1, size=600)
    y = (rng.random(600) < p).astype(float)
    bins = (p > 0.75).astype(int)
    cells = TopCells(p, y, bins, weights=w)
    noise = cells.noise(20_000, rng)
    rate = cells.p / cells.count - cells.shapes[-1]
    expected = np.bincount(bins, w**2) * rate * (1 - rate)
    np.testing.assert_allclose(noise.var(axis=0), expected, rtol=0.05)
    np.testing.assert_allclose(noise.mean(axis=0) / np.sqrt(expected), 0, atol=0.03)
    recount = cells.recount(20_000, rng)
    np.testing.assert_allclose(recount @ cells.count, cells.count.sum(), rtol=1e-9)
    np.testing.assert_allclose(recount.mean(axis=0), 1, atol=0.02)


@pytest.mark.slow
def test_intervals_do_not_depend_on_the_unit_and_every_default_has_one_or_a_reason():
    judged, w = simulated(400, 2, seed=3, from_probs=True), lognormal(400)
    found = []
    for factor in (1.0, 1e-20):
        weighted = Judged(judged.outputs, torch.tensor(judged.labels), sample_weight=w * factor)
        estimates, bounds = bounds_of(weighted)
        found.append(bounds)
    for name, bound in found[0].items():
        if isinstance(bound, NoInterval):
            assert name == "mce15"
        else:
            assert bound == pytest.approx(found[1][name], rel=1e-6), name
            assert bound[0] <= bound[1], name
    assert found[0]["nll"][0] < estimates["nll"] < found[0]["nll"][1]


def test_class_wise_errors_of_more_than_two_classes_have_no_interval():
    judged = simulated(400, 3, seed=3)
    weighted = Judged(judged.outputs, torch.tensor(judged.labels), sample_weight=lognormal(400))
    _, bounds = bounds_of(weighted, "classwise_ece15,ece15")
    assert "more than two classes" in bounds["classwise_ece15"].reason
    assert isinstance(bounds["ece15"], list)


def test_few_effective_answers_are_too_few():
    judged = simulated(100, 2, seed=1)
    own = np.where(judged.correct == 0, 1e-6, 1.0)
    own[np.flatnonzero(judged.correct == 0)[:3]] = 1
    weighted = Judged(judged.outputs, torch.tensor(judged.labels), sample_weight=own)
    assert too_few(judged) is None
    assert "3 are wrong, by their effective number" in too_few(weighted).reason


def test_reliability_has_weighted_means_and_intervals_of_the_effective_number():
    judged, w = simulated(300, 3, seed=2), lognormal(300)
    rows = reliability(Judged(judged.outputs, torch.tensor(judged.labels), sample_weight=w))
    bins = judged.bin_index(15)
    for b, row in enumerate(rows):
        inside = bins == b
        assert row.count == inside.sum()
        if row.count:
            assert row.accuracy == pytest.approx(np.average(judged.correct[inside], weights=w[inside]), rel=1e-12)
            assert row.confidence == pytest.approx(np.average(judged.confidence[inside], weights=w[inside]), rel=1e-12)
            n = w[inside].sum() ** 2 / (w[inside] ** 2).sum()
            assert row.accuracy_interval == pytest.approx(wilson_interval(row.accuracy * n, n), abs=1e-9)
