"""The course of a training: its numbers by hand, after a resume, and how a record holds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from calibench.cache.resume import VARIABLE, Resume
from calibench.errors import CalibenchNote
from calibench.progress import quiet
from calibench.recipe.curves import MOST_EPOCHS, stored_curve
from calibench.seeds import seeded
from calibench.training.curve import listening
from calibench.training.loop import train
from calibench.training.schedule import Schedule

NLLS = [3.0, 2.0, 2.5, 1.5]


def train_toy(nlls: list[float], resume: Resume | None = None) -> list[list[float]]:
    """Train one weight on five rows in batches of two; the loss of a batch is the mean of its rows' numbers, 0 to 4.

    Returns the batches' losses of each epoch. After the last NLL the user presses Ctrl-C.
    """
    weight, script, losses = nn.Linear(1, 1, bias=False), iter(nlls), [[]]

    def step(rows: torch.Tensor) -> torch.Tensor:
        loss = rows.double().mean() + 0 * weight.weight.sum()
        losses[-1].append(loss.item())
        return loss

    def validate() -> float:
        losses.append([])
        value = next(script, None)
        if value is None:
            raise KeyboardInterrupt
        return value

    with seeded(0):
        train(weight, step, validate, 5, Schedule(len(NLLS), 0.1, 2), quiet, "toy", resume=resume)
    return losses[:-1]


def test_the_curve_has_the_mean_loss_and_the_nll_of_each_epoch() -> None:
    with listening() as curves:
        losses = train_toy(NLLS)
    (curve,) = curves
    assert curve["val_nll"] == NLLS
    # Of five rows in batches of two the last batch would have one row, which is left out.
    assert [len(of_epoch) for of_epoch in losses] == [2] * 4
    assert curve["train_loss"] == pytest.approx([np.mean(of_epoch) for of_epoch in losses], rel=1e-12)


def test_nobody_listens_outside_the_block() -> None:
    with listening() as outer:
        with listening() as inner:
            train_toy(NLLS)
        assert len(inner) == 1
        assert outer == []
    train_toy(NLLS)
    assert len(inner) == 1


def test_a_resumed_training_has_the_whole_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "0")
    with listening() as curves:
        train_toy(NLLS)
        with pytest.raises(KeyboardInterrupt):
            train_toy(NLLS[:2], Resume(tmp_path / "x.unfinished"))
        with pytest.warns(CalibenchNote, match="resumed from epoch 2"):
            train_toy(NLLS[2:], Resume(tmp_path / "x.unfinished"))
    whole, resumed = curves
    assert resumed == whole


@pytest.mark.parametrize("count", [1, 59, 60, 61, 1000])
def test_a_record_holds_few_epochs_with_the_kept_one_and_the_last(count: int) -> None:
    values = [1 / 3 + epoch for epoch in range(count)]
    entry: dict[str, Any] = {"stage": "ce", "epoch": float(max(count - 2, 1))}
    (stored,) = stored_curve(entry, {"val_nll": values})
    epochs = stored["epochs"]
    assert epochs == sorted(set(epochs))
    assert {1, max(count - 2, 1), count} <= set(epochs)
    assert min(count, MOST_EPOCHS) <= len(epochs) <= MOST_EPOCHS + 2
    assert max(np.diff(epochs), default=0) <= np.ceil(count / (MOST_EPOCHS - 1))
    assert stored["val_nll"] == [float(f"{values[epoch - 1]:.5g}") for epoch in epochs]


def test_a_stage_that_trains_nothing_has_no_curve() -> None:
    assert stored_curve({"stage": "laplace"}, {}) == []
