"""Smooth ECE against relplot, against a plain loop on its grid, and against the integral of the paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import binary, from_table, simulated

from calibench.metrics.bootstrap import multiplicities
from calibench.metrics.metric import Metric
from calibench.metrics.noise_floor import noise_floor
from calibench.metrics.smece import SmECE

RELPLOT = {
    (1, 0.0): (0.1909637627454807, 0.19140625),
    (7, 0.0): (0.14082920016716471, 0.1416015625),
    (200, 0.0): (0.02395585676668138, 0.025390625),
    (200, 0.2): (0.19618016281332484, 0.1962890625),
    (3000, 0.0): (0.006114311379645678, 0.0068359375),
    (3000, 0.01): (0.010737777860175018, 0.0107421875),
}
"""relplot 1.0.3's smECE and bandwidth of `golden(n, gap)`.

From `python -c "import sys; sys.path.insert(0, 'tests/metrics'); from relplot import smECE; from test_smece import *;
[print(case, smECE(*golden(*case), return_width=True)) for case in RELPLOT]"`, after `pip install relplot==1.0.3`.
"""


def golden(n, gap):
    """Evenly spread confidences in [1/2, 1], and hits at a rate of confidence - gap, by multiples of irrational numbers."""
    i = np.arange(1, n + 1)
    confidence = 0.5 + 0.5 * (i * 0.6180339887498949 % 1)
    return confidence, ((i * 0.7548776662466927 % 1) < confidence - gap).astype(np.float64)


@pytest.mark.parametrize("case", RELPLOT, ids=str)
def test_smece_and_bandwidth_equal_relplot(case):
    value, bandwidth = RELPLOT[case]
    judged = binary(*golden(*case))
    assert SmECE().value(judged) == pytest.approx(value, abs=1e-12)
    assert SmECE().details(judged) == {"bandwidth": bandwidth}


def on_the_grid(confidence, correct, sigma):
    """smECE at one bandwidth as sums over samples, mirrored at 0 and 1; for an odd number of grid points only."""
    points = 1 + max(2000, round(20 / sigma)) // 2
    assert points % 2 == 1
    last = points - 1
    gaps, density = np.zeros(points), np.zeros(points)
    for c, y in zip(confidence, correct, strict=True):
        left = min(int(c * last), last - 1)
        for point, share in ((left, 1 - (c * last - left)), (left + 1, c * last - left)):
            gaps[point] += share * (c - y)
            density[point] += share
    smooth = np.zeros((2, points))
    for target in range(points):
        for source in np.flatnonzero(density):
            # the image in the wall of an end point is the point itself
            images = {source, -source, 2 * last - source}
            near = [abs(target - image) / last for image in images if abs(target - image) <= last // 2]
            kernel = sum(math.exp(-(d**2) / (2 * sigma**2)) for d in near) / (math.sqrt(2 * math.pi) * sigma)
            smooth[:, target] += kernel * np.array([gaps[source], density[source]])
    mesh = np.linspace(0, 1, max(200, round(10 / sigma)))
    gap, total = (np.interp(mesh * last, np.arange(points), row) for row in smooth)
    return np.abs(gap).sum() / (total + 1e-4).sum()


@pytest.mark.slow
@pytest.mark.parametrize(("n", "gap"), [(1, 0.3), (9, 0.2), (12, 0.0)])
def test_smece_equals_sums_over_samples(n, gap):
    confidence, correct = golden(n, gap)
    judged = binary(confidence, correct)
    sigma = SmECE().details(judged)["bandwidth"]
    assert SmECE().value(judged) == pytest.approx(on_the_grid(confidence, correct, sigma), abs=1e-12)


@pytest.mark.slow
def test_smece_is_the_integral_at_its_fixed_point():
    integrate = pytest.importorskip("scipy.integrate")
    confidence, correct = golden(40, 0.1)
    judged = binary(confidence, correct)
    sigma = SmECE().details(judged)["bandwidth"]

    def gap(t):
        images = [confidence, -confidence, 2 - confidence]
        kernel = sum(np.exp(-((t - image) ** 2) / (2 * sigma**2)) for image in images)
        return abs(((confidence - correct) * kernel).mean()) / (math.sqrt(2 * math.pi) * sigma)

    exact = integrate.quad(gap, 0, 1, limit=500)[0]
    value = SmECE().value(judged)
    assert value == pytest.approx(exact, abs=2e-3)
    assert 0 <= sigma - value < 2 / 1024


@pytest.mark.slow
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(2, 4))
@settings(max_examples=15, deadline=None)
def test_order_does_not_matter_and_resamples_equal_the_default(seed, n, k):
    judged, metric = simulated(n, k, seed), SmECE()
    order = np.random.default_rng(seed).permutation(n)
    assert metric.value(judged.take(order)) == pytest.approx(metric.value(judged), abs=1e-12)
    weights = next(multiplicities(n, 3, seed))
    np.testing.assert_allclose(metric.resampled(judged, weights), Metric.resampled(metric, judged, weights), atol=1e-12)


def test_resamples_with_fine_grids_equal_the_default():
    judged, metric = binary(*golden(3000, 0.0)), SmECE()
    weights = np.concatenate([next(multiplicities(3000, 4, 0)), np.ones((1, 3000))])
    figures = metric.resampled(judged, weights)
    np.testing.assert_allclose(figures, Metric.resampled(metric, judged, weights), atol=1e-12)
    assert figures[-1] == pytest.approx(metric.value(judged), abs=1e-15)


def test_certain_and_right_is_0_certain_and_wrong_is_1_and_equal_confidences_are_their_gap():
    certain = from_table([[1.0, 0.0]] * 4, [0] * 4)
    assert SmECE().value(certain) == 0
    assert SmECE().details(certain) == {"bandwidth": 2 / 1024}
    assert SmECE().value(from_table([[1.0, 0.0]] * 4, [1] * 4)) == pytest.approx(1, abs=2e-4)
    assert SmECE().value(binary([0.8] * 10, [1] * 6 + [0] * 4)) == pytest.approx(0.2, abs=1e-5)


def test_noise_floor_is_the_figure_of_drawn_labels():
    judged, metric = simulated(400, 3, seed=1), SmECE()
    correct = np.random.default_rng(0).random((3, 400)) < judged.confidence
    draws = metric.floor_draws(judged, correct, np.zeros((3, 400), dtype=np.int64))
    for draw, row in zip(draws, correct, strict=True):
        drawn = binary_like(judged.confidence, row)
        assert draw == pytest.approx(metric.value(drawn), abs=1e-12)
    floor = noise_floor(judged, {"smece": metric}, draws=20)["smece"]
    assert 0 < floor["mean"] < floor["p95"] < metric.value(judged)


def binary_like(confidence, correct):
    """Three classes with the same top confidence, where the others share the rest."""
    rest = (1 - confidence) / 2
    table = np.stack([confidence, rest, rest], axis=1)
    return from_table(table.tolist(), np.where(correct, 0, 1).tolist())
