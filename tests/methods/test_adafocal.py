"""`adafocal`: its gammas follow the validation split by the paper's update, and the loss uses the gamma of each bin."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from objective_cases import Array, Formula, K, build, log_softmax, logits_and_labels, loss_of, slope, value_and_gradient


def updated(gamma: float, error: float) -> float:
    """The paper's update with the paper's settings."""
    if gamma >= 0:
        new = min(20, gamma * math.exp(error))
        return -0.2 if abs(new) < 0.2 else new
    new = max(-2, gamma * math.exp(-error))
    return 0.2 if abs(new) < 0.2 else new


def formula(gammas: list[float], lowest: list[float]) -> Formula:
    """The mean loss; `lowest` is the least confidence of each bin."""

    def loss(z: Array, y: Array, z0: Array) -> float:
        total = 0.0
        for p, p0, label in zip(np.exp(log_softmax(z)), np.exp(log_softmax(z0)), y, strict=True):
            gamma = gammas[sum(p0[label] >= low for low in lowest[1:])]
            base = 1 - p[label] if gamma >= 0 else 1 + p[label]
            total -= base ** abs(gamma) * math.log(p[label])
        return total / len(z)

    return loss


def test_gammas_follow_the_validation_split() -> None:
    """The split is over-confident for 20 epochs, then under-confident, until a gamma changes its sign."""
    rng = np.random.default_rng(1)
    objective = build("adafocal:bins=3")
    gammas = [1.0] * 3
    for epoch in range(60):
        logits = rng.normal(size=(40, K)) * (6 if epoch < 20 else 0.05)
        labels = rng.integers(K, size=40) if epoch < 20 else logits.argmax(axis=1)
        objective.end_epoch(torch.from_numpy(logits), torch.from_numpy(labels))
        p = np.exp(log_softmax(logits))
        confidence, hit = p.max(axis=1), p.argmax(axis=1) == labels
        bins = np.array_split(np.argsort(confidence, kind="stable"), 3)
        gammas = [updated(g, (confidence[rows] - hit[rows]).mean()) for g, rows in zip(gammas, bins, strict=True)]
        if epoch in (0, 19, 59):
            assert objective.figures()["gammas"] == pytest.approx(gammas, rel=1e-9)
            assert (min(gammas) < 0) == (epoch == 59)
            z, y = logits_and_labels(epoch, scale=0.5 if epoch == 59 else 3)
            expected = formula(gammas, [confidence[rows].min() for rows in bins])
            value, gradient = value_and_gradient(objective, z, y)
            assert value == pytest.approx(expected(z, y, z), rel=1e-12)
            assert gradient[2, 1] == pytest.approx(slope(expected, z, y, (2, 1)), rel=1e-8, abs=1e-10)


def test_gammas_stay_within_bounds_and_rows_can_be_fewer_than_bins() -> None:
    objective = build("adafocal")
    for _ in range(10):
        objective.end_epoch(torch.eye(K)[:3] * 50, torch.tensor([1, 2, 0]))  # all wrong with confidence 1
    assert objective.figures()["gammas"][:4] == [20.0, 20.0, 20.0, 1.0]
    z, y = logits_and_labels()
    assert math.isfinite(float(loss_of(objective, z, y)))
