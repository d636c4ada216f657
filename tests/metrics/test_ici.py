"""ICI against a local regression written out sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from metric_cases import binary, from_table, simulated
from tied_cases import check_order, check_resampled, several_labels, tied_cases

from calibench.metrics.bootstrap import multiplicities
from calibench.metrics.ici import ICI
from calibench.metrics.judged import Judged
from calibench.metrics.label_draws import draw_labels
from calibench.outputs.outputs import Outputs


def fits_by_definition(x, y, span):
    """The local linear fit at each sample, by least squares."""
    nearest = max(1, int(np.floor(span * len(x) + 1e-9)))
    fits = np.empty(len(x))
    for i, at in enumerate(x):
        distance = np.abs(x - at)
        h = np.sort(distance)[nearest - 1]
        w = np.clip(1 - (distance / h) ** 3, 0, None) ** 3 if h > 0 else (distance == 0).astype(float)
        mean = (w * x).sum() / w.sum()
        variance = (w * (x - mean) ** 2).sum() / w.sum()
        fits[i] = (w * y).sum() / w.sum()
        if variance > 1e-12 * h**2:
            fits[i] += (at - mean) * (w * (x - mean) * y).sum() / w.sum() / variance
    return fits


def by_definition(judged, span=0.75):
    x = judged.probs[:, 1]
    return np.abs(x - fits_by_definition(x, judged.labels.astype(float), span)).mean()


@pytest.mark.parametrize("span", [0.3, 0.75, 1.0])
def test_up_to_100_distinct_probabilities_the_curve_is_exact(span):
    few = simulated(100, 2, seed=1)
    assert ICI(span).value(few) == pytest.approx(by_definition(few, span), abs=1e-12)
    coarse = np.round(simulated(700, 2, seed=2).probs[:, 1], 2)
    tied = from_table(np.stack([1 - coarse, coarse], axis=1), simulated(700, 2, seed=2).labels)
    assert ICI(span).value(tied) == pytest.approx(by_definition(tied, span), abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.5, 1.0, 4.0])
def test_straight_lines_between_100_points_are_near(scale):
    judged = simulated(2500, 2, seed=3)
    judged = Judged(Outputs(judged.outputs.scores * scale), torch.tensor(judged.labels))
    assert ICI().value(judged) == pytest.approx(by_definition(judged), abs=2e-4)


def test_details():
    judged = simulated(90, 2, seed=4)
    x = judged.probs[:, 1]
    distances = np.abs(x - fits_by_definition(x, judged.labels.astype(float), 0.75))
    expected = {"e50": np.median(distances), "e90": np.quantile(distances, 0.9), "emax": distances.max()}
    assert ICI().details(judged) == pytest.approx(expected, abs=1e-12)


def test_a_constant_shift_is_found():
    """Labels drawn at p + 0.1, so that the curve is a straight line."""
    generator = np.random.default_rng(0)
    p = generator.uniform(0.1, 0.8, size=20_000)
    labels = (generator.random(20_000) < p + 0.1).astype(np.int64)
    judged = from_table(np.stack([1 - p, p], axis=1), labels)
    assert ICI().value(judged) == pytest.approx(0.1, abs=0.01)


def test_the_floor_is_the_figure_of_drawn_labels():
    judged = simulated(300, 2, seed=3)
    correct, labels = next(draw_labels(judged, 3, seed=0))
    expected = [ICI().value(from_table(judged.probs, draw)) for draw in labels]
    assert ICI().floor_draws(judged, correct, labels) == pytest.approx(expected, abs=1e-12)


def test_edges():
    assert ICI().value(binary([0.9], [1])) == pytest.approx(0.1)
    assert ICI().value(binary([0.75] * 4, [1, 1, 1, 0])) == pytest.approx(0, abs=1e-15)
    assert ICI().value(from_table([[0.9, 0.1], [0.6, 0.4]], [0, 0])) == pytest.approx(0.25)
    assert ICI().value(from_table([[1.0, 0.0], [0.0, 1.0]] * 3, [0, 1] * 3)) == pytest.approx(0, abs=1e-15)
    assert not ICI().applies(simulated(10, 3, seed=0))
    assert not ICI().applies(several_labels(10, 3, seed=0)[0])


@pytest.mark.slow
@given(case=tied_cases(classes=(2, 2)))
@settings(max_examples=80, deadline=None)
def test_resamples_and_the_order_of_samples(case):
    judged, weights = case
    check_resampled(ICI(), judged, weights)
    check_order(ICI(), judged)


def test_bootstrap_weights():
    judged = simulated(500, 2, seed=8)
    check_resampled(ICI(), judged, next(multiplicities(500, 10, seed=3)))
    check_order(ICI(), judged)
