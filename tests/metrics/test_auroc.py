"""AUROC and AUPRC against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from metric_cases import from_table, simulated
from tied_cases import check_resampled, resampling_property, several_labels

from calibench.metrics.auprc import AUPRC
from calibench.metrics.auroc import AUROC
from calibench.metrics.bootstrap import multiplicities
from calibench.metrics.judged import Judged
from calibench.outputs.outputs import Outputs

METRICS = [AUROC(), AUPRC()]
each = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: type(metric).__name__)


def by_sklearn(metric, truth, scores):
    """The figure of each column `[C]`, NaN if one answer is missing."""
    metrics = pytest.importorskip("sklearn.metrics")
    score = metrics.roc_auc_score if isinstance(metric, AUROC) else metrics.average_precision_score
    both = truth.any(axis=0) & ~truth.all(axis=0)
    return [score(truth[:, k], scores[:, k]) if both[k] else np.nan for k in range(truth.shape[1])]


@each
@pytest.mark.parametrize("ties", [False, True])
def test_classes_and_ties(metric, ties):
    judged = simulated(1500, 5, seed=4, from_probs=True)
    if ties:
        coarse = np.round(judged.probs, 1) + 1e-3
        judged = from_table(coarse / coarse.sum(axis=1, keepdims=True), judged.labels)
    expected = by_sklearn(metric, judged.labels[:, None] == np.arange(5), judged.probs)
    assert metric.value(judged) == pytest.approx(np.mean(expected), abs=1e-13)
    assert metric.details(judged)["by_class"] == pytest.approx(expected, abs=1e-13)


@each
def test_two_classes_are_ranked_by_p_1(metric):
    judged = simulated(900, 2, seed=5)
    expected = by_sklearn(metric, judged.labels[:, None] == 1, judged.probs[:, 1:])[0]
    assert metric.value(judged) == pytest.approx(expected, abs=1e-13)
    assert metric.details(judged) == {}


@each
def test_several_labels(metric):
    judged, weights = several_labels(300, 4, seed=6)
    expected = by_sklearn(metric, judged.labels.reshape(-1, 4) == 1, judged.probs[:, 1].reshape(-1, 4))
    assert metric.value(judged) == pytest.approx(np.mean(expected), abs=1e-13)
    assert metric.details(judged)["by_label"] == pytest.approx(expected, abs=1e-13)
    check_resampled(metric, judged, weights)


@each
def test_a_class_without_samples_is_left_out_and_nothing_is_left_of_one_sample(metric):
    judged = simulated(200, 4, seed=7, from_probs=True)
    few = judged.take(np.flatnonzero(judged.labels < 2))
    assert np.isnan(metric.details(few)["by_class"][2:]).all()
    assert metric.value(few) == pytest.approx(np.mean(metric.details(few)["by_class"][:2]), abs=1e-15)
    assert np.isnan(metric.value(judged.take(np.array([3]))))
    assert np.isnan(metric.value(judged.take(np.flatnonzero(judged.labels == 1))))


@each
def test_perfect_separation_is_1(metric):
    assert metric.value(from_table([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], [0, 0, 1])) == 1
    tied = from_table([[0.5, 0.5]] * 6, [0, 1, 0, 0, 1, 0])
    assert metric.value(tied) == pytest.approx(0.5 if isinstance(metric, AUROC) else 1 / 3)


test_resamples_and_the_order_of_samples = resampling_property(METRICS)


@each
def test_bootstrap_weights_and_threads(metric):
    judged = simulated(500, 6, seed=8)
    weights = next(multiplicities(500, 4, seed=3))
    check_resampled(metric, judged, weights)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    again = Judged(Outputs(judged.outputs.scores), torch.tensor(judged.labels))
    assert (metric.resampled(again, weights) == metric.resampled(judged, weights)).all()
    torch.set_num_threads(threads)
