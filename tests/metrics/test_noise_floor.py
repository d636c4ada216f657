"""The noise floor: labels drawn from the predicted probabilities, and the figures of those labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from metric_cases import binary, simulated

from calibench.metrics.accuracy import Accuracy
from calibench.metrics.classwise_ece import ClasswiseECE
from calibench.metrics.ece import ECE
from calibench.metrics.ece_equal_mass import EqualMassECE
from calibench.metrics.judged import Judged
from calibench.metrics.label_draws import draw_labels
from calibench.metrics.mce import MCE
from calibench.metrics.nll import Nll
from calibench.metrics.noise_floor import noise_floor
from calibench.outputs.outputs import Outputs


def test_labels_are_drawn_from_the_predicted_probabilities():
    judged = simulated(4, 5, seed=3)
    draws = 20_000
    blocks = list(draw_labels(judged, draws, seed=0))
    correct, labels = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    np.testing.assert_array_equal(correct, labels == judged.prediction)
    share = np.stack([(labels == k).mean(axis=0) for k in range(5)], axis=1)
    error = np.sqrt(judged.probs * (1 - judged.probs) / draws)
    assert (np.abs(share - judged.probs) <= 4.5 * error + 1e-12).all()


def test_certain_classes_are_always_drawn_and_impossible_ones_never():
    probs = torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [0.0, 0.3, 0.7]], dtype=torch.float64)
    judged = Judged(Outputs(probs, from_probs=True), torch.tensor([0, 1, 2]))
    labels = np.concatenate([labels for _, labels in draw_labels(judged, 2000, seed=1)])
    assert set(labels[:, 0]) == {1}
    assert set(labels[:, 1]) == {0, 2}
    assert set(labels[:, 2]) == {1, 2}


@pytest.mark.slow
def test_the_floor_agrees_with_an_independent_simulation_of_calibrated_models():
    judged = simulated(300, 4, seed=11)
    metrics = {"ece": ECE(15), "mce": MCE(15), "mass": EqualMassECE(10), "class": ClasswiseECE(15)}
    ours = noise_floor(judged, {**metrics, "nll": Nll(), "accuracy": Accuracy()}, seed=0)
    assert set(ours) == set(metrics)
    rng = np.random.default_rng(99)
    cumulative = judged.probs.cumsum(axis=1)
    figures = {name: [] for name in metrics}
    for _ in range(1000):
        labels = (rng.random((300, 1)) > cumulative[:, :-1]).sum(axis=1)
        calibrated = Judged(judged.outputs, torch.tensor(labels))
        for name, metric in metrics.items():
            figures[name].append(metric.value(calibrated))
    for name, values in figures.items():
        error = np.std(values) * math.sqrt(2 / 1000)
        assert ours[name]["mean"] == pytest.approx(np.mean(values), abs=4 * error)
        assert ours[name]["p95"] == pytest.approx(np.quantile(values, 0.95), abs=10 * error)


def test_each_draw_of_the_floor_is_the_metric_of_its_labels():
    judged = simulated(60, 3, seed=12)
    correct, labels = next(draw_labels(judged, 6, seed=0))
    for metric in (ECE(15), ECE(4), MCE(15), EqualMassECE(7), ClasswiseECE(15), ClasswiseECE(1)):
        values = [metric.value(Judged(judged.outputs, torch.tensor(row))) for row in labels]
        np.testing.assert_allclose(metric.floor_draws(judged, correct, labels), values, atol=1e-13)


def test_a_calibrated_model_scores_its_floor_on_average():
    rng = np.random.default_rng(0)
    confidence = 0.5 + 0.5 * rng.beta(3, 1, size=10_000)
    judged = binary(confidence, rng.random(10_000) <= confidence)
    floor = noise_floor(judged, {"ece": ECE(15)}, seed=0)["ece"]
    assert 0.002 < floor["mean"] < 0.012
    assert floor["mean"] < floor["p95"] < 2 * floor["mean"]
    assert ECE(15).value(judged) < 1.5 * floor["p95"]
