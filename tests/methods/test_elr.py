"""`elr`: the targets are running means for each training row; and the state of objectives that learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from objective_cases import K, N, build, log_softmax, logits_and_labels, loss_of

from calibench.stages import Batch


def test_each_training_row_has_its_own_target() -> None:
    objective = build("elr", n=12)
    z, y = logits_and_labels(0)
    rows = torch.tensor([11, 3, 5, 0, 2, 7, 9, 1, 4])
    t = np.zeros((12, K))
    for step in range(4):
        logits = z * (step + 1)
        loss = float(objective.loss(torch.from_numpy(logits), Batch(torch.zeros(N), torch.from_numpy(y), rows)))
        p = np.exp(log_softmax(logits))
        t[rows] = 0.7 * t[rows] + 0.3 * p
        expected = -np.log(p[np.arange(N), y]).mean() + 3 * np.log(1 - (p * t[rows]).sum(axis=1)).mean()
        assert loss == pytest.approx(expected, rel=1e-6)  # targets are stored in float32
        rows = rows.roll(1)


@pytest.mark.parametrize("recipe", ["elr", "adafocal"])
def test_the_state_of_an_objective_can_be_restored(recipe: str) -> None:
    z, y = logits_and_labels(0)
    objective, restored = build(recipe), build(recipe)
    for _ in range(3):
        loss_of(objective, z, y)
        objective.end_epoch(torch.from_numpy(z), torch.from_numpy(y))
    restored.load_state({name: tensor.clone() for name, tensor in objective.state().items()})
    loss = float(loss_of(objective, z, y))
    assert float(loss_of(restored, z, y)) == loss != float(loss_of(build(recipe), z, y))
