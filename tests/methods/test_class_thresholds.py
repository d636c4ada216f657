"""Thresholds of classes that are tuned to a metric, against scikit-learn."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from decision_cases import fit, logits_and_labels
from sklearn.metrics import balanced_accuracy_score, f1_score

from calibench import InputError, Outputs
from calibench_methods.decisions.class_thresholds import tune
from calibench_methods.decisions.threshold import Threshold


@pytest.mark.slow
@pytest.mark.parametrize(("metric", "peer"), [("f1", f1_score), ("balanced-accuracy", balanced_accuracy_score)])
def test_tuned_thresholds_are_the_best_by_scikit_learn(metric: str, peer: Callable[..., float]) -> None:
    logits, labels = logits_and_labels(120, 4, seed=2)
    probs = logits.softmax(1).numpy().round(2)
    thresholds, best = tune(probs, labels.numpy(), metric)
    for k in range(4):
        values = {t: peer(labels.numpy() == k, probs[:, k] >= t) for t in np.unique(probs[:, k])}
        assert best[k] == pytest.approx(max(values.values()), abs=1e-12)
        assert thresholds[k] == max(t for t, value in values.items() if value >= max(values.values()) - 1e-12)


def test_a_tuned_rule_decides_by_its_thresholds() -> None:
    logits, labels = logits_and_labels(200, 3, seed=5)
    rule = Threshold(metric="f1")
    fitted = fit(rule, Outputs(logits), labels)
    assert len(fitted["thresholds"]) == len(fitted["cal_f1"]) == 3
    same = Threshold(values=tuple(fitted["thresholds"])).decide(Outputs(logits), {}).answers
    assert torch.equal(rule.decide(Outputs(logits), fitted).answers, same)


def test_tuning_needs_samples_of_every_class() -> None:
    logits, labels = logits_and_labels(200, 3, seed=5)
    with pytest.raises(InputError, match="no sample of class 3"):
        Threshold(metric="f1").fit(Outputs(torch.cat([logits, logits[:, :1]], dim=1)), labels)
