"""Views of images: shifts that fill with 0, the views of `tta`, and stage 2 with `views`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pipeline_cases import RowCount, members
from refit_cases import STAGE_2, D, K, features, refit_task
from torch import nn

from calibench import InputError, Network
from calibench.cache.stage_cache import StageCache
from calibench.seeds import seeded
from calibench.training.pixels import shifted
from calibench_methods.refits.tst import TST
from calibench_methods.samplers.tta import TestTimeAugmentation


@pytest.mark.parametrize(("down", "right"), [(0, 0), (1, 0), (-2, 1), (3, -3), (-1, -1)])
@pytest.mark.parametrize("shape", [(2, 5, 6), (2, 3, 5, 6)])
def test_a_shift_moves_pixels_and_fills_with_0(shape: tuple[int, ...], down: int, right: int) -> None:
    x = torch.arange(1.0, 1 + math.prod(shape)).reshape(shape)
    padded = np.pad(x.numpy(), [(0, 0)] * (len(shape) - 2) + [(3, 3), (3, 3)])
    expected = padded[..., 3 - down : 3 - down + shape[-2], 3 - right : 3 - right + shape[-1]]
    np.testing.assert_array_equal(shifted(x, down, right).numpy(), expected)


# --- test-time augmentation -----------------------------------------------------------------------------------------


def augmented(x: torch.Tensor, views: int, shift: int, flip: bool) -> list[torch.Tensor]:
    """The views of `tta` of the image x."""
    network = Network(nn.Flatten(), nn.Linear(x.numel(), 2), x.numel())
    with seeded(0):
        return [view(x) for view in TestTimeAugmentation(views, shift, flip, "probs").variants(network, {}, x)]


def bright_pixel(image: torch.Tensor) -> tuple[int, ...]:
    return tuple(image[0].nonzero()[0].tolist())


def test_the_first_view_is_the_image_and_others_stay_within_the_shift() -> None:
    x = torch.zeros(1, 9, 9)
    x[0, 4, 4] = 1
    views = augmented(x, 60, 2, False)
    assert len(views) == 60
    assert torch.equal(views[0], x)
    places = {bright_pixel(view) for view in views}
    assert places <= {(row, column) for row in range(2, 7) for column in range(2, 7)}
    assert len(places) > 10


def test_every_other_view_is_mirrored() -> None:
    x = torch.zeros(1, 4, 4)
    x[0, 0, 0] = 1
    assert [bright_pixel(view) for view in augmented(x, 4, 0, True)] == [(0, 0), (0, 3), (0, 0), (0, 3)]


@pytest.mark.parametrize(
    ("input_shape", "shift", "message"),
    [((64,), 1, "views need images"), ((8, 8), 8, "leaves nothing"), ((8, 8), 0, "every view is the same")],
)
def test_tta_refuses_rows_that_are_no_images_and_views_that_are_equal(
    input_shape: tuple[int, ...], shift: int, message: str
) -> None:
    network = Network(nn.Flatten(), nn.Linear(64, 2), 64)
    with pytest.raises(InputError, match=message):
        TestTimeAugmentation(4, shift, False, "probs").check(network, input_shape)


# --- stage 2 --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["tst", "vtst", "mean-field"])
def test_the_body_sees_each_view_once(recipe: str, images: str, tmp_path: Path) -> None:
    cache = StageCache(tmp_path)
    members("ce", images, "cnn:width=4", cache).run(("test",))
    pipeline = members(f"{recipe}:views=3,epochs=4", images, "cnn:width=4", cache)
    body = RowCount(pipeline.network.body)
    outputs = pipeline.run(("test",))["test"]
    sizes = pipeline.data.sizes()
    assert body.rows == sum(sizes.values()) + 2 * sizes["train"]
    without_cache = members(f"{recipe}:views=3,epochs=4", images, "cnn:width=4").run(("test",))["test"]
    assert torch.equal(outputs.scores, without_cache.scores)
    without_views = members(f"{recipe}:epochs=4", images, "cnn:width=4", cache).run(("test",))["test"]
    assert not torch.equal(outputs.scores, without_views.scores)


class WatchedTST(TST):
    """Keeps the features and labels of every batch."""

    def __init__(self, **stage_2: Any) -> None:
        super().__init__(128, "linear", **stage_2)
        self.batches: list[tuple[torch.Tensor, torch.Tensor]] = []

    def loss(self, head: nn.Module, features: torch.Tensor, labels: torch.Tensor, rows: int) -> torch.Tensor:
        self.batches.append((features, labels))
        return super().loss(head, features, labels, rows)


def test_each_batch_draws_a_view_for_each_row_and_keeps_its_label() -> None:
    """The second view of a row has features that are 100 larger; sorted by the first feature, a batch shows its rows."""
    x = features()
    task = refit_task(augmented=lambda view: x + 100, input_shape=(8, 8))
    method = WatchedTST(**(STAGE_2 | {"epochs": 40, "batch_size": len(x)}), views=2)
    with seeded(0):
        method.fit(nn.Linear(D, K), task)
    second_views = []
    for batch, batch_labels in method.batches:
        is_second = batch[:, 0] > 50
        original = torch.where(is_second[:, None], batch - 100, batch)
        rows = (original[:, None] - x[None]).abs().sum(dim=2).argmin(dim=1)
        torch.testing.assert_close(original, x[rows], rtol=0, atol=1e-4)
        assert torch.equal(batch_labels, task.train_labels[rows])
        assert sorted(rows.tolist()) == list(range(len(x)))
        second_views.append(float(is_second.double().mean()))
    assert abs(float(np.mean(second_views)) - 0.5) < 5 * 0.5 / math.sqrt(40 * len(x))


@pytest.mark.parametrize(
    ("recipe", "dataset", "model", "message"),
    [
        ("tst:shift=1", "digits", "mlp", "shift would do nothing with views=1"),
        ("vtst:flip=true", "digits", "mlp", "flip would do nothing with views=1"),
        ("tst:views=2,shift=8", "digits", "mlp", "leaves nothing of images"),
        ("tst:views=2,shift=0", "digits", "mlp", "every view is the same"),
        ("vtst:views=2", "features", "frozen", "views need a body"),
        ("tst:views=2", "features", "mlp", "views need images"),
    ],
)
def test_impossible_views_are_refused(recipe: str, dataset: str, model: str, message: str, tmp_path: Path) -> None:
    if dataset == "features":
        file = tmp_path / "f.npz"
        x = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
        np.savez(file, train_x=x, train_y=np.arange(200) % 2, head_weight=np.ones((2, 4)), head_bias=np.zeros(2))
        dataset = f"npz:path={file}"
    with pytest.raises(InputError, match=message):
        members(recipe, dataset, model, epochs=60)
