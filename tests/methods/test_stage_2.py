"""Stage 2: its length, and its place in a recipe: a frozen body, features computed once, seeded draws."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_cases import RowCount, members
from torch import nn

from calibench import InputError, Outputs, seeds
from calibench.cache.stage_cache import StageCache
from calibench.recipe.members import Members
from calibench.stages import RefitTask
from calibench.training import prediction as training
from calibench.training.schedule import Schedule
from calibench_methods.refits.mean_field import MeanField
from calibench_methods.refits.stage_2 import Stage2
from calibench_methods.refits.tst import TST
from calibench_methods.refits.vtst import VTST


def schedule(rows: int, **chosen: Any) -> Schedule:
    """The schedule for a number of training rows."""
    unset = {"epochs": None, "lr": None, "batch_size": None, "weight_decay": 0.0, "select": "best"}
    return Stage2(**(unset | chosen)).schedule(rows)


def test_the_papers_budget_is_verbatim_for_any_number_of_rows() -> None:
    for rows in (100, 45_000):
        assert schedule(rows, budget="paper") == Schedule(epochs=40, lr=1e-4, batch_size=256)


@pytest.mark.parametrize("idle", [{"epochs": 40}, {"patience": 3}, {"lr": 1e-4}, {"batch_size": 256}])
def test_settings_that_the_papers_budget_decides_are_refused(idle: dict[str, Any]) -> None:
    (key,) = idle
    with pytest.raises(InputError, match=f"budget=paper decides {key}: 40 epochs"):
        schedule(100, budget="paper", **idle)


@settings(max_examples=200, deadline=None)
@given(rows=st.integers(1, 60_000))
def test_stage_2_ends_at_a_plateau_in_batches_that_suit_the_data(rows: int) -> None:
    chosen = schedule(rows)
    steps = math.ceil(rows / chosen.batch_size)
    assert chosen.batch_size == min(256, max(rows // 16, 1))
    assert chosen.patience is not None
    assert chosen.patience_share == 0.1
    assert chosen.patience * steps >= 1000
    assert chosen.epochs * steps >= 16_000
    assert chosen.lr == 1e-3


def test_epochs_patience_rate_and_batch_size_can_be_set() -> None:
    assert schedule(500, epochs=3) == Schedule(epochs=3, lr=1e-3, batch_size=31)
    assert schedule(500, epochs=9, batch_size=100, lr=0.5, patience=2) == Schedule(9, 0.5, 100, patience=2)
    assert schedule(5000, patience=2).patience_share == 0


def test_mean_field_trains_at_a_rate_of_its_own() -> None:
    refit = MeanField(1.0, 1, 1.0, epochs=None, lr=None, batch_size=None, weight_decay=0.0, select="best")
    assert refit.stage_2.schedule(100).lr == 1e-2


# --- in a recipe ----------------------------------------------------------------------------------------------------


def built(recipe: str, images: str, seed: int = 0, cache: StageCache | None = None) -> Members:
    """The members of a recipe with a small convolutional network and a short stage 2."""
    refit = recipe.partition(":")[0]
    sizes = [] if recipe == "ce" else [f"{refit}.epochs=2"]
    if refit in {"tst", "vtst"} and "linear" not in recipe:
        sizes.append(f"{refit}.latent_dim=4")
    return members(recipe, images, "cnn:width=4", cache, seed=seed, settings=sizes)


@pytest.mark.parametrize("recipe", ["tst", "vtst", "tst:head=linear"])
def test_stage_2_leaves_network_and_batch_norm_bit_identical(recipe: str, images: str, tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    stage_1 = built("ce", images, cache=cache)
    stage_1.run(("test",))
    pipeline = built(recipe, images, cache=cache)
    body = RowCount(pipeline.network.body)
    outputs = pipeline.run(("cal", "test"))
    before, after = stage_1.network.state_dict(), pipeline.network.state_dict()
    assert any(name.endswith("running_mean") for name in after)
    assert any(name.endswith("num_batches_tracked") for name in after)
    assert set(after) == set(before)
    for name, value in after.items():
        assert torch.equal(value, before[name]), name
    sizes = pipeline.data.sizes()
    assert body.rows == sum(sizes.values())  # every row once for its features, and never in stage 2
    assert {name: len(split) for name, split in outputs.items()} == {name: sizes[name] for name in ("cal", "test")}


def test_refits_share_features_through_the_cache(images: str, tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    built("tst", images, cache=cache).run(("test",))
    assert cache.misses == ["stage1", "features", "stage2"]
    pipeline = built("vtst", images, cache=cache)
    body = RowCount(pipeline.network.body)
    pipeline.run(("cal", "test"))
    assert body.rows == 0


def test_outputs_are_those_of_a_new_head(images: str) -> None:
    pipeline = built("tst:head=linear", images)
    outputs = pipeline.run(("test",))["test"]
    with seeds.seeded(0):
        features = training.predict(pipeline.network.body, torch.from_numpy(pipeline.data.test.x))
    assert not torch.allclose(outputs.scores, pipeline.network.head(features).detach())


def test_predictions_depend_on_the_seed_and_not_on_the_order_of_splits(images: str) -> None:
    first = built("vtst", images).run(("cal", "test"))
    again = built("vtst", images).run(("cal", "test"))
    reversed_order = built("vtst", images).run(("test", "cal"))
    other_seed = built("vtst", images, seed=1).run(("cal", "test"))
    for name in ("cal", "test"):
        assert torch.equal(first[name].scores, again[name].scores)
        assert torch.equal(first[name].scores, reversed_order[name].scores)
        assert not torch.equal(first[name].scores, other_seed[name].scores)


class WatchedVTST(VTST):
    """Is not trained, and keeps torch's random state at each prediction."""

    def fit(self, head: nn.Module, task: RefitTask) -> dict[str, float]:
        self.states: list[torch.Tensor] = []
        return {}

    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        self.states.append(torch.random.get_rng_state())
        return super().outputs(head, features)


class WatchedTST(TST):
    """Keeps the task that it is given."""

    def fit(self, head: nn.Module, task: RefitTask) -> dict[str, float]:
        self.task = task
        head(task.train_features).sum().backward()  # all features at once, as a closed-form fit uses them
        return {}


SHORT: dict[str, Any] = {"epochs": 2, "lr": 1e-4, "batch_size": None, "weight_decay": 0.0, "select": "best"}


def test_splits_have_different_draws(images: str) -> None:
    pipeline = built("vtst", images)
    pipeline.first.stage_2.refit = refit = WatchedVTST(4, 10, None, **SHORT)
    pipeline.run(("cal", "test"))
    first, second = refit.states
    assert not torch.equal(first, second)


def test_a_refit_gets_training_and_validation_features_and_the_old_head(images: str) -> None:
    pipeline = built("tst", images)
    pipeline.first.stage_2.refit = refit = WatchedTST(4, "mlp", **SHORT)
    pipeline.run(("test",))
    task, network = refit.task, pipeline.network
    for split, x, y in (
        (pipeline.data.train, task.train_features, task.train_labels),
        (pipeline.data.val, task.val_features, task.val_labels),
    ):
        torch.testing.assert_close(x, training.predict(network.body, torch.from_numpy(split.x)))
        assert y.tolist() == split.y.tolist()
    assert task.original_head is network.head
    assert task.seed == pipeline.seeds["stage2"]
