"""The noise rate that `noise-ce` and `co-teaching` estimate, against counting loops; estimates in the record."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from noise_cases import simulated, symmetric
from objective_cases import Array, blobs, build, log_softmax

import calibench
from calibench.errors import RunError
from calibench.stages import Batch
from calibench_methods.objectives.label_noise import anchors, wrong_share


@pytest.mark.parametrize(("rate", "k"), [(0.0, 2), (0.1, 2), (0.3, 2), (0.0, 10), (0.3, 10), (0.5, 10), (0.7, 10)])
def test_the_estimate_is_within_001_of_symmetric_noise(rate: float, k: int) -> None:
    truth, noisy, probs = simulated(40_000, k, symmetric(rate, k), seed=k)
    assert (
        0.85 < (probs.argmax(axis=1) == truth).mean() < 0.985
    )  # the network errs, so disagreement alone is not enough
    realised = (noisy != truth).mean()
    objective = build("noise-ce", k, probs=probs, labels=noisy)
    assert objective.figures()["rate"] == pytest.approx(realised, abs=0.01)
    if rate <= 0.3:
        assert abs((probs.argmax(axis=1) != noisy).mean() - realised) > 0.01


def most_confident(probs: Array, halvings: int) -> list[list[int]]:
    """For each class, the rows that are predicted as it, most confident first, halved so many times."""
    predicted = probs.argmax(axis=1)
    by_class = []
    for k in range(probs.shape[1]):
        rows = sorted(np.flatnonzero(predicted == k), key=lambda i, k=k: (-probs[i, k], i))
        for _ in range(halvings):
            rows = rows[: math.ceil(len(rows) / 2)]
        by_class.append(rows)
    return by_class


def test_anchors_are_halved_as_long_as_the_rate_falls() -> None:
    _, noisy, probs = simulated(3000, 4, symmetric(0.3, 4), seed=5, skill=2.0)
    halvings, best = 0, math.inf
    while True:
        by_class = most_confident(probs, halvings)
        wrong = np.array([noisy[i] != k for k, rows in enumerate(by_class) for i in rows])
        rate = wrong.mean()
        limit = rate + math.sqrt(rate * (1 - rate) / len(wrong))
        if best < math.inf and (len(wrong) < 100 or limit >= best):
            break
        best, expected, halvings = rate, by_class, halvings + 1
    computed = anchors(torch.from_numpy(probs), torch.from_numpy(noisy))
    assert [rows.tolist() for rows in computed] == expected
    assert halvings > 1  # it halved at least once
    assert wrong_share(computed, torch.from_numpy(noisy)) == pytest.approx(best)


@pytest.mark.parametrize("recipe", ["noise-ce", "co-teaching"])
def test_labels_that_are_chance_are_refused(recipe: str) -> None:
    probs = np.random.default_rng(0).dirichlet(np.ones(4), size=2000)
    with pytest.raises(RunError, match="no better than chance"):
        build(recipe, 4, probs=probs, labels=(probs.argmax(axis=1) + 1) % 4)


def test_the_loss_uses_the_estimated_rate() -> None:
    _, noisy, probs = simulated(4000, 4, symmetric(0.2, 4), seed=2)
    objective = build("noise-ce", 4, probs=probs, labels=noisy)
    e = objective.figures()["rate"] * 4 / 3
    z = np.random.default_rng(0).normal(size=(5, 4))
    expected = -np.log((1 - e) * np.exp(log_softmax(z))[:, 1] + e / 4).mean()
    logits = torch.from_numpy(z)
    loss = objective.loss(logits, Batch(logits, torch.ones(5, dtype=torch.int64), torch.arange(5)))
    assert float(loss) == pytest.approx(expected, rel=1e-12)
    assert build("noise-ce:rate=0.2", 4, labels=noisy).figures() == {}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["noise-ce", "co-teaching", "forward", "backward:estimate=counts"])
def test_a_record_has_the_estimate(recipe: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    record = calibench.run(
        recipe, blobs(tmp_path_factory.mktemp("noise"), 900), "mlp:hidden=16", 0, "symmetric:rate=0.3", epochs=8,
        select="last", results=None, settings=[f"{recipe.partition(':')[0]}.lr=0.01"], device="cpu",
    )  # fmt: skip
    assert record.metrics["accuracy"] is not None
    assert record.metrics["accuracy"] > 0.9
    stage = record.fitted[0]
    if "transition_diagonal" in stage:
        assert stage["transition_diagonal"] == pytest.approx([0.7] * 3, abs=0.15)
    else:
        assert stage["rate"] == pytest.approx(0.3, abs=0.05)
