"""Balanced accuracy, precision, recall and F1 against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from metric_cases import binary, from_table, simulated, simulated_with_decisions
from tied_cases import check_order, check_resampled, tied_cases

from calibench.metrics.balanced_accuracy import BalancedAccuracy
from calibench.metrics.bootstrap import multiplicities
from calibench.metrics.f1 import F1
from calibench.metrics.judged import Judged
from calibench.metrics.precision import Precision
from calibench.metrics.recall import Recall
from calibench.outputs.several_labels import yes_no_outputs

METRICS = [BalancedAccuracy(), Precision(), Recall(), F1()]


def answers_of(judged):
    return judged.prediction if judged.decisions is None else judged.decisions


def by_loops(judged):
    """Balanced accuracy, precision, recall and F1 from a table of pairs."""
    pairs = list(zip(judged.labels.tolist(), answers_of(judged).tolist(), strict=True))
    recalls, rows = [], []
    for k in range(judged.num_classes):
        hits = pairs.count((k, k))
        support, answers = sum(y == k for y, _ in pairs), sum(a == k for _, a in pairs)
        if support:
            recalls.append(hits / support)
        if support or answers:
            precision, recall = hits / answers if answers else 0.0, hits / support if support else 0.0
            rows.append((precision, recall, 2 * hits / (support + answers)))
    return [float(np.mean(recalls)), *(float(column) for column in np.mean(rows, axis=0))]


@given(case=tied_cases())
@settings(max_examples=80, deadline=None)
def test_definitions_resamples_and_orders_of_few_samples(case):
    judged, weights = case
    assert [metric.value(judged) for metric in METRICS] == pytest.approx(by_loops(judged), abs=1e-14)
    for metric in METRICS:
        check_resampled(metric, judged, weights)
        check_order(metric, judged)


@pytest.mark.parametrize("k", [2, 7])
@pytest.mark.parametrize("n", [1, 5, 800])
def test_they_equal_scikit_learn(n, k):
    metrics = pytest.importorskip("sklearn.metrics")
    judged = simulated(n, k, seed=n + k)
    y, answers = judged.labels, judged.prediction
    options = {"average": "macro", "zero_division": 0}
    theirs = [
        np.mean(metrics.recall_score(y, answers, labels=np.unique(y), average=None, zero_division=0)),
        metrics.precision_score(y, answers, **options),
        metrics.recall_score(y, answers, **options),
        metrics.f1_score(y, answers, **options),
    ]
    assert [metric.value(judged) for metric in METRICS] == pytest.approx(theirs, abs=1e-14)
    if n > 1 and set(answers) <= set(y):
        assert BalancedAccuracy().value(judged) == pytest.approx(metrics.balanced_accuracy_score(y, answers), abs=1e-14)


def test_details_and_decisions_equal_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    judged = simulated_with_decisions(300, 5, seed=4)
    assert (judged.decisions == -1).any()
    theirs = metrics.precision_recall_fscore_support(
        judged.labels, judged.decisions, labels=list(range(5)), zero_division=0
    )
    for metric, name, column in zip(METRICS[1:], ("precision", "recall", "f1"), theirs, strict=False):
        details = metric.details(judged)
        assert details[f"per_class_{name}"] == pytest.approx(column, abs=1e-15)
        assert details["per_class_support"] == theirs[3].tolist()
        assert details["per_class_answers"] == np.bincount(judged.decisions + 1, minlength=6)[1:].tolist()
        assert metric.value(judged) == pytest.approx(column.mean(), abs=1e-15)
    assert BalancedAccuracy().details(judged)["per_class_recall"] == pytest.approx(theirs[1], abs=1e-15)


def test_resamples_of_many_samples():
    judged, weights = simulated_with_decisions(700, 6, seed=1), next(multiplicities(700, 5, seed=3))
    for metric in METRICS:
        check_resampled(metric, judged, weights)


def test_a_class_that_only_labels_or_only_answers_have():
    """Labels 0, 0, 1; answers 0, 2, 0. Class 3 is in neither."""
    rows = [[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1], [0.7, 0.1, 0.1, 0.1]]
    judged = from_table(rows, [0, 0, 1])
    values = [metric.value(judged) for metric in METRICS]
    assert values == pytest.approx([0.5 / 2, 0.5 / 3, 0.5 / 3, 0.5 / 3])
    details = F1().details(judged)
    assert details["per_class_hits"] == [1, 0, 0, 0]
    assert details["per_class_answers"] == [2, 0, 1, 0]
    assert details["per_class_support"] == [2, 1, 0, 0]
    assert details["per_class_f1"][:3] == [0.5, 0, 0]
    assert math.isnan(details["per_class_f1"][3])  # null in the record
    assert [math.isnan(rate) for rate in BalancedAccuracy().details(judged)["per_class_recall"]] == [0, 0, 1, 1]


def test_if_every_answer_is_an_abstention_all_are_0():
    judged = from_table([[0.7, 0.3], [0.4, 0.6]], [0, 1], np.array([-1, -1]))
    assert [metric.value(judged) for metric in METRICS] == [0, 0, 0, 0]


def test_one_sample():
    assert [metric.value(binary([1.0], [1])) for metric in METRICS] == [1, 1, 1, 1]
    assert [metric.value(binary([1.0], [0])) for metric in METRICS] == [0, 0, 0, 0]


def test_they_are_for_one_label_per_sample():
    several = Judged(yes_no_outputs(torch.tensor([[1.0, -2.0], [0.5, 0.1]])), torch.tensor([1, 0, 1, 1]))
    assert not any(metric.applies(several) for metric in METRICS)
    assert all(metric.applies(simulated(3, 2, seed=0)) for metric in METRICS)
