"""Calibration intercept and slope against a general optimiser, and where they are undefined."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from metric_cases import from_table, simulated
from tied_cases import check_order, check_resampled, several_labels, tied_cases

from calibench.metrics.bootstrap import multiplicities
from calibench.metrics.calibration_intercept import CalibrationIntercept
from calibench.metrics.calibration_slope import CalibrationSlope
from calibench.metrics.judged import Judged
from calibench.outputs.outputs import Outputs

METRICS = [CalibrationIntercept(), CalibrationSlope()]


def log_odds_and_labels(judged):
    logits = judged.outputs.logits().numpy()
    return logits[:, 1] - logits[:, 0], judged.labels.astype(float)


@pytest.mark.parametrize("from_probs", [False, True])
def test_scipy(from_probs):
    optimize, special = pytest.importorskip("scipy.optimize"), pytest.importorskip("scipy.special")
    judged = simulated(800, 2, seed=3, from_probs=from_probs)
    z, y = log_odds_and_labels(judged)

    def score(theta):
        residual = special.expit(theta[0] + theta[1] * z) - y
        return residual.mean(), (residual * z).mean()

    slope = optimize.root(score, [0.0, 1.0], tol=1e-14).x[1]
    intercept = optimize.brentq(lambda a: (special.expit(a + z) - y).mean(), -50, 50, xtol=1e-14)
    assert CalibrationSlope().value(judged) == pytest.approx(slope, abs=1e-11)
    assert CalibrationIntercept().value(judged) == pytest.approx(intercept, abs=1e-11)


def test_sklearn_without_penalty():
    linear = pytest.importorskip("sklearn.linear_model")
    judged = simulated(800, 2, seed=4)
    z, y = log_odds_and_labels(judged)
    model = linear.LogisticRegression(C=1e12, tol=1e-10, solver="newton-cholesky", max_iter=1000).fit(z[:, None], y)
    assert CalibrationSlope().value(judged) == pytest.approx(model.coef_[0, 0], abs=1e-8)


def test_scaled_and_shifted_logits():
    judged = simulated(500, 2, seed=5)
    slope = CalibrationSlope().value(judged)
    twice = Judged(Outputs(judged.outputs.scores * 2), torch.tensor(judged.labels))
    assert CalibrationSlope().value(twice) == pytest.approx(slope / 2, rel=1e-12)
    shift = torch.tensor([0.0, 0.7], dtype=torch.float64)
    shifted = Judged(Outputs(judged.outputs.scores + shift), torch.tensor(judged.labels))
    assert CalibrationSlope().value(shifted) == pytest.approx(slope, rel=1e-12)
    intercept = CalibrationIntercept().value(judged)
    assert CalibrationIntercept().value(shifted) == pytest.approx(intercept - 0.7, abs=1e-12)


def test_undefined():
    separated = from_table([[0.9, 0.1], [0.6, 0.4], [0.4, 0.6], [0.3, 0.7]], [0, 0, 1, 1])
    touching = from_table([[0.9, 0.1], [0.5, 0.5], [0.5, 0.5], [0.3, 0.7]], [0, 0, 1, 1])
    backwards = from_table([[0.9, 0.1], [0.6, 0.4], [0.4, 0.6], [0.3, 0.7]], [1, 1, 0, 0])
    constant = from_table([[0.5, 0.5]] * 4, [0, 1, 1, 0])
    for judged in (separated, touching, backwards, constant):
        assert np.isnan(CalibrationSlope().value(judged))
        assert np.isfinite(CalibrationIntercept().value(judged))
    one_class = from_table([[0.9, 0.1], [0.6, 0.4]], [0, 0])
    one = from_table([[0.9, 0.1]], [0])
    for metric in METRICS:
        assert np.isnan(metric.value(one_class))
        assert np.isnan(metric.value(one))


def test_extreme_logits():
    z = torch.tensor([-700.0, -300.0, 2.0, 5.0, 800.0, 900.0], dtype=torch.float64)
    judged = Judged(
        Outputs(torch.stack([torch.zeros(6, dtype=torch.float64), z], dim=1)), torch.tensor([0, 1, 0, 1, 0, 1])
    )
    for metric in METRICS:
        assert np.isfinite(metric.value(judged))


def test_only_two_classes_of_one_label():
    assert all(metric.applies(simulated(10, 2, seed=0)) for metric in METRICS)
    assert not any(metric.applies(simulated(10, 3, seed=0)) for metric in METRICS)
    assert not any(metric.applies(several_labels(10, 3, seed=0)[0]) for metric in METRICS)


@pytest.mark.slow
@given(case=tied_cases(classes=(2, 2)))
@settings(max_examples=80, deadline=None)
def test_resamples_and_the_order_of_samples(case):
    judged, weights = case
    for metric in METRICS:
        check_resampled(metric, judged, weights, atol=1e-11)
        check_order(metric, judged, atol=1e-11)


def test_bootstrap_weights():
    judged, weights = simulated(500, 2, seed=8), next(multiplicities(500, 20, seed=3))
    for metric in METRICS:
        check_resampled(metric, judged, weights)
