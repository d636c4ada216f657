"""MCB, DSC and UNC: an own loop of pool-adjacent-violators, and the sum that makes the Brier score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from metric_cases import from_table, simulated
from tied_cases import check_order, check_resampled, several_labels, tied_cases

from calibench.api import evaluate
from calibench.metrics.bootstrap import multiplicities
from calibench.metrics.brier import Brier
from calibench.metrics.dsc import DSC
from calibench.metrics.label_draws import draw_labels
from calibench.metrics.mcb import MCB
from calibench.metrics.unc import UNC

METRICS = [MCB(), DSC(), UNC()]


def pav(p, y):
    """The isotonic fit of `y` on `p`, one block at a time; equal p are one block from the start."""
    blocks = []
    for value in np.unique(p):
        blocks.append([float((p == value).sum()), float(y[p == value].sum())])
        while len(blocks) > 1 and blocks[-2][1] / blocks[-2][0] >= blocks[-1][1] / blocks[-1][0]:
            size, hits = blocks.pop()
            blocks[-1] = [blocks[-1][0] + size, blocks[-1][1] + hits]
    fit = np.concatenate([np.full(int(size), hits / size) for size, hits in blocks])
    result = np.empty(len(p))
    result[np.argsort(p, kind="stable")] = fit
    return result


def by_definition(judged):
    """(MCB, DSC, UNC), summed over classes."""
    parts = np.zeros(3)
    for k in range(judged.num_classes):
        p, y = judged.probs[:, k], (judged.labels == k).astype(float)
        left, constant = ((pav(p, y) - y) ** 2).mean(), y.mean() * (1 - y.mean())
        parts += ((p - y) ** 2).mean() - left, constant - left, constant
    return parts


@pytest.mark.parametrize(("n", "k"), [(400, 2), (300, 5), (1, 3)])
@pytest.mark.parametrize("digits", [None, 1])
def test_own_loop(n, k, digits):
    judged = simulated(n, k, seed=n, from_probs=True)
    if digits:
        coarse = np.round(judged.probs, digits) + 1e-3
        judged = from_table(coarse / coarse.sum(axis=1, keepdims=True), judged.labels)
    assert [metric.value(judged) for metric in METRICS] == pytest.approx(by_definition(judged), abs=1e-13)


def test_model_diagnostics():
    """Its decomposition of the binary squared error is half of ours."""
    scoring = pytest.importorskip("model_diagnostics.scoring")
    judged = simulated(2000, 2, seed=12)
    table = scoring.decompose(y_obs=judged.labels, y_pred=judged.probs[:, 1], scoring_function=scoring.SquaredError())
    theirs = [float(table[name][0]) for name in ("miscalibration", "discrimination", "uncertainty")]
    assert [metric.value(judged) / 2 for metric in METRICS] == pytest.approx(theirs, abs=1e-13)


@pytest.mark.slow
def test_the_parts_are_the_brier_score():
    judged = simulated(500, 7, seed=2)
    scores = judged.outputs.scores.numpy()
    record = evaluate(scores, judged.labels, metrics="mcb,dsc,unc,brier")
    figures = record.metrics
    assert figures["brier"] == pytest.approx(figures["mcb"] - figures["dsc"] + figures["unc"], abs=1e-12)
    assert record.noise_floor["mcb"]["mean"] > 0


@pytest.mark.slow
@given(case=tied_cases())
@settings(max_examples=60, deadline=None)
def test_resamples_the_order_of_samples_and_the_sum(case):
    judged, weights = case
    for metric in METRICS:
        check_resampled(metric, judged, weights)
        check_order(metric, judged)
    mcb, dsc, unc = (metric.resampled(judged, weights) for metric in METRICS)
    np.testing.assert_allclose(mcb - dsc + unc, Brier().resampled(judged, weights), atol=1e-12)
    assert (mcb > -1e-12).all()


def test_bootstrap_weights():
    judged, weights = simulated(600, 6, seed=8), next(multiplicities(600, 4, seed=3))
    several, of_samples = several_labels(200, 3, seed=1)
    for metric in METRICS:
        check_resampled(metric, judged, weights)
        check_resampled(metric, several, of_samples)


def test_the_floor_is_the_figure_of_drawn_labels():
    judged = simulated(150, 4, seed=3)
    correct, labels = next(draw_labels(judged, 3, seed=0))
    expected = [MCB().value(from_table(judged.probs, draw)) for draw in labels]
    assert MCB().floor_draws(judged, correct, labels) == pytest.approx(expected, abs=1e-13)


def test_edges():
    perfect = from_table([[1.0, 0.0], [0.0, 1.0]], [0, 1])
    assert [metric.value(perfect) for metric in METRICS] == [0, 0.5, 0.5]
    wrong = from_table([[0.0, 1.0], [1.0, 0.0]], [0, 1])
    assert [metric.value(wrong) for metric in METRICS] == [1.5, 0, 0.5]
    one_class = simulated(30, 3, seed=1).take(np.array([0, 0, 0]))
    assert DSC().value(one_class) == 0
    assert UNC().value(one_class) == 0
    assert MCB().value(one_class) == pytest.approx(Brier().value(one_class), abs=1e-15)
