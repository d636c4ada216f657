"""The refinement and calibration parts of NLL and Brier score: a fit by scipy, the code of the paper's authors, and identities."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from metric_cases import from_table, simulated
from tied_cases import check_order, check_resampled, several_labels, tied_cases

from calibench.metrics.bootstrap import multiplicities
from calibench.metrics.brier import Brier
from calibench.metrics.calibration_brier import CalibrationBrier
from calibench.metrics.calibration_nll import CalibrationNll
from calibench.metrics.judged import Judged
from calibench.metrics.nll import Nll
from calibench.metrics.refinement_brier import RefinementBrier
from calibench.metrics.refinement_nll import RefinementNll
from calibench.outputs.outputs import Outputs

METRICS = [
    RefinementNll(),
    CalibrationNll(),
    RefinementBrier(),
    CalibrationBrier(),
    RefinementNll(1),
    CalibrationBrier(2),
]


def folds_of(judged, folds):
    """The samples of each fold, by the rule that the specs state."""
    keys = zip(judged.labels, judged.nll, judged.brier, judged.tail, strict=True)
    order = [i for _, i in sorted((key, i) for i, key in enumerate(keys))]
    return [np.array(order[f::folds], dtype=int) for f in range(folds)]


def by_scipy(judged, folds):
    """(NLL, Brier score) after temperature scaling, fold by fold, with a bounded search over log T."""
    optimize = pytest.importorskip("scipy.optimize")
    logits, labels = judged.outputs.logits().numpy(), judged.labels

    def probs(u, rows):
        x = logits[rows] * np.exp(-u)
        p = np.exp(x - x.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    sums = np.zeros(2)
    for rows in folds_of(judged, folds):
        others = np.setdiff1d(np.arange(judged.n), rows) if folds > 1 else rows

        def nll(u, others=others):
            return -np.log(probs(u, others)[np.arange(len(others)), labels[others]]).mean()

        u = optimize.minimize_scalar(nll, bounds=(-3, 3), method="bounded", options={"xatol": 1e-12}).x
        p = probs(u, rows)
        sums += (
            -np.log(p[np.arange(len(rows)), labels[rows]]).sum(),
            ((p - np.eye(judged.num_classes)[labels[rows]]) ** 2).sum(),
        )
    return sums / judged.n


@pytest.mark.parametrize("folds", [1, 2, 5])
@pytest.mark.parametrize("k", [2, 7])
def test_scipy(folds, k):
    judged = simulated(500, k, seed=k)
    nll, brier = by_scipy(judged, folds)
    # A search over values of the NLL finds log T to about 1e-8; the loss of other samples is not flat there.
    assert RefinementNll(folds).value(judged) == pytest.approx(nll, abs=1e-8)
    assert RefinementBrier(folds).value(judged) == pytest.approx(brier, abs=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("folds", [1, 5])
def test_probmetrics(folds):
    """The authors' code on our folds. Their bisection ends at a width of 3e-8 in log T, so the digits agree to 1e-10."""
    metrics = pytest.importorskip("probmetrics.metrics")
    distributions = pytest.importorskip("probmetrics.distributions")
    calibrators = pytest.importorskip("probmetrics.calibrators")
    splitters = pytest.importorskip("probmetrics.splitters")
    judged = simulated(1000, 6, seed=3)
    parts = folds_of(judged, folds)

    class OurFolds(splitters.Splitter):
        def get_splits(self, y_true, random_state=None):
            everything = np.arange(judged.n)
            return [(np.setdiff1d(everything, rows) if folds > 1 else rows, rows) for rows in parts]

        def get_name(self):
            return "ours"

    scaling = calibrators.get_calibrator("temp-scaling", calibrate_with_mixture=False)
    proper = metrics.Metrics.from_names(["logloss", "brier"])
    both = metrics.MetricsWithCalibration(proper, scaling, OurFolds(), cal_name="ts")
    labels = distributions.CategoricalDirac(torch.tensor(judged.labels), n_classes=6)
    theirs = both.compute_all(labels, distributions.CategoricalProbs(torch.tensor(judged.probs)))
    ours = {
        "refinement_logloss": RefinementNll(folds),
        "calib-err_logloss": CalibrationNll(folds),
        "refinement_brier": RefinementBrier(folds),
        "calib-err_brier": CalibrationBrier(folds),
    }
    for name, metric in ours.items():
        assert metric.value(judged) == pytest.approx(float(theirs[f"{name}_ts_ours"]), abs=1e-9), name


def test_the_parts_add_up():
    judged = simulated(300, 5, seed=1, from_probs=True)
    nll, brier = Nll().value(judged), Brier().value(judged)
    assert RefinementNll().value(judged) + CalibrationNll().value(judged) == pytest.approx(nll, abs=1e-14)
    assert RefinementBrier().value(judged) + CalibrationBrier().value(judged) == pytest.approx(brier, abs=1e-14)


def test_a_temperature_changes_calibration_alone():
    judged = simulated(400, 4, seed=1)
    hot = Judged(Outputs(judged.outputs.scores * 1e-1), torch.tensor(judged.labels))
    # One fold, because the order of the NLL, and with it the folds, depends on the temperature.
    assert RefinementNll(1).value(hot) == pytest.approx(RefinementNll(1).value(judged), abs=1e-11)
    assert CalibrationNll(1).value(hot) > CalibrationNll(1).value(judged) >= 0


@pytest.mark.slow
@given(case=tied_cases())
@settings(max_examples=60, deadline=None)
def test_resamples_and_the_order_of_samples(case):
    judged, weights = case
    for metric in METRICS:
        check_resampled(metric, judged, weights)
        if (
            len({(label, *row) for label, row in zip(judged.labels.tolist(), judged.probs.tolist(), strict=True)})
            == judged.n
        ):
            check_order(metric, judged)


@pytest.mark.slow
@pytest.mark.parametrize("k", [2, 3, 40, 1000])
def test_bootstrap_weights(k):
    judged = simulated(200, k, seed=8)
    weights = next(multiplicities(200, 20, seed=3))
    for metric in METRICS if k < 1000 else METRICS[:1]:
        check_resampled(metric, judged, weights)
        check_order(metric, judged)


def test_several_labels():
    judged, weights = several_labels(60, 3, seed=2)
    for metric in METRICS:
        check_resampled(metric, judged, weights)


def test_edges():
    one = from_table([[0.7, 0.3]], [0])
    assert np.isnan(RefinementNll().value(one))
    assert np.isnan(CalibrationBrier().value(one))
    assert RefinementNll(1).value(one) == pytest.approx(0, abs=1e-12)
    constant = from_table([[0.5, 0.5]] * 6, [0, 1, 0, 1, 1, 0])
    assert RefinementNll().value(constant) == pytest.approx(np.log(2))
    assert CalibrationNll().value(constant) == pytest.approx(0, abs=1e-15)
    assert RefinementNll().details(constant)["temperatures"] == [1.0] * 5
    perfect = from_table([[0.9, 0.1], [0.2, 0.8]] * 4, [0, 1] * 4)
    assert RefinementNll().details(perfect)["temperatures"] == pytest.approx([1 / 50] * 5)
    reversed_ = from_table([[0.9, 0.1], [0.2, 0.8]] * 4, [1, 0] * 4)
    assert RefinementNll().details(reversed_)["temperatures"] == pytest.approx([50] * 5)
