"""How a training ends: after its epochs, when its patience runs out, or at a loss that is not finite."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import epoch_diary
import pytest
from torch import nn

from calibench import RunError, run
from calibench.progress import quiet
from calibench.training.loop import train
from calibench.training.schedule import Schedule

Call = tuple[str, float, int, str]


def train_by_script(validation_nlls: list[float], schedule: Schedule) -> tuple[dict[str, float], list[Call]]:
    """Train one weight with these validation NLLs: what `train` returns, and the calls of the report."""
    module, script, calls = nn.Linear(1, 1), iter(validation_nlls), []
    kept = train(
        module,
        lambda rows: module.weight.sum(),
        lambda: next(script),
        10,
        schedule,
        lambda *call: calls.append(call),
        "t",
    )
    return kept, calls


@pytest.mark.parametrize(
    ("patience", "select", "epoch", "last"),
    [(1, "best", 2, 3), (2, "best", 5, 7), (2, "last", 7, 7), (7, "best", 8, 9), (None, "best", 8, 9)],
)
def test_patience_ends_a_training(patience: int | None, select: str, epoch: int, last: int) -> None:
    script = [5.0, 3.0, 4.0, 2.8, 2.0, 2.0, 2.5, 1.0, 9.0]
    kept, calls = train_by_script(script, Schedule(len(script), 0.1, 4, select=select, patience=patience))
    assert kept["epoch"] == epoch
    assert kept["val_nll"] == script[epoch - 1]
    assert kept["ended_after"] == last
    assert kept.get("patience") == patience
    early = last < len(script)
    assert calls[-1][1:3] == ((last, last) if early else (9, 9))
    assert calls[-1][3].endswith("ended early") == early


def test_patience_that_runs_out_at_the_last_epoch_ends_nothing_early() -> None:
    kept, calls = train_by_script([2.0, 1.0, 3.0, 3.0, 3.0], Schedule(5, 0.1, 4, patience=3))
    assert (kept["epoch"], kept["val_nll"], kept["ended_after"]) == (2, 1.0, 5)
    assert not calls[-1][3].endswith("ended early")


@pytest.mark.slow
def test_a_sampler_trains_on_from_the_epoch_at_which_patience_ended(install_plugin: Any, tmp_path: Path) -> None:
    install_plugin("epoch_diary")
    epoch_diary.epochs_begun.clear()
    recipe = "diary:epochs=40,patience=1,lr=0.3+swag:epochs=2,samples={}"
    options: dict[str, Any] = {"model": "mlp:hidden=8", "results": tmp_path}
    last = run(recipe.format(2), **options).fitted[0]["ended_after"]
    assert last < 40
    assert epoch_diary.epochs_begun == [*range(1, int(last) + 1), last]
    epoch_diary.epochs_begun.clear()
    assert run(recipe.format(3), **options).cache["hits"] == ["stage1"]
    assert epoch_diary.epochs_begun == [last]


def test_a_run_that_patience_ends_equals_one_of_as_many_epochs() -> None:
    record = run("ce:epochs=60,patience=2,lr=0.05", "digits", "mlp:hidden=32", results=None)
    stage_1 = record.fitted[0]
    assert stage_1["ended_after"] == stage_1["epoch"] + 2 < 60
    again = run(f"ce:epochs={stage_1['ended_after']:.0f},lr=0.05", "digits", "mlp:hidden=32", results=None)
    assert again.metrics == record.metrics
    assert record.run_id != again.run_id


def test_a_loss_that_is_not_finite_names_the_step_the_rate_and_the_rows() -> None:
    module = nn.Linear(1, 1)
    with pytest.raises(RunError) as error:
        train(module, lambda r: module.weight.sum() * math.nan, lambda: 0.0, 10, Schedule(1, 0.5, 4), quiet, "toy")
    assert "step 1 of 3" in error.value.message
    assert "the learning rate is 0.5" in error.value.hint
    assert len(error.value.hint.split("training rows ")[1].split(", ")) == 4
