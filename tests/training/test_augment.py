"""Augmentation of training batches: crop, flip and cutout, how their text is read, and which passes see augmented images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from image_cases import H, N, W, smooth_images

from calibench import InputError, run
from calibench.config.resolve import resolve
from calibench.data.load import load_data
from calibench.seeds import seeded
from calibench.training.augment import crop, cutout, flipped, read_augmentation


def test_a_crop_is_one_of_the_padded_image() -> None:
    x = smooth_images()
    padded = np.pad(x.numpy(), [(0, 0), (0, 0), (2, 2), (2, 2)])
    step = crop(2)
    with seeded(1):
        drawn = step.draw(N)
    for image, cropped, (down, right) in zip(padded, step.apply(x, drawn), drawn.tolist(), strict=True):
        top, left = 2 - down, 2 - right
        np.testing.assert_array_equal(cropped.numpy(), image[:, top : top + H, left : left + W])
    with seeded(2):
        moves = step.draw(2000)
    assert {tuple(move) for move in moves.tolist()} == {(a, b) for a in range(-2, 3) for b in range(-2, 3)}


def test_half_the_rows_are_mirrored() -> None:
    x = smooth_images()
    drawn = torch.tensor([True, False] * 3)
    images = flipped(x, drawn)
    assert torch.equal(images[::2], x[::2].flip(-1))
    assert torch.equal(images[1::2], x[1::2])
    with seeded(0):
        (mirrored,) = read_augmentation("flip", x.numpy(), "ce").draw(10_000)
    assert abs(float(mirrored.double().mean()) - 0.5) < 0.025


@pytest.mark.parametrize("size", [1, 4, 5])
def test_a_cut_out_square(size: int) -> None:
    step = cutout(size, H, W)
    centre = torch.tensor([[5, 8], [0, 0], [11, 16]])
    images = step.apply(torch.ones(3, 2, H, W), centre)
    assert (images[0] == 0).sum() == 2 * size**2
    for image, (y, x) in zip(images, centre.tolist(), strict=True):
        expected = np.ones((H, W))
        top, left = y - size // 2, x - size // 2
        expected[max(top, 0) : top + size, max(left, 0) : left + size] = 0
        np.testing.assert_array_equal(image[0].numpy(), expected)
    with seeded(0):
        drawn = step.draw(5000)
    assert drawn.amin(dim=0).tolist() == [0, 0]
    assert drawn.amax(dim=0).tolist() == [H - 1, W - 1]


@pytest.mark.parametrize("shape", [(3, H, W), (1, H, W), (H, W)])
def test_all_steps_together_keep_shape_range_and_input(shape: tuple[int, ...]) -> None:
    x = torch.rand(N, *shape) * 255
    before = x.clone()
    steps = read_augmentation("crop;flip;cutout=4;randaugment=2/15", x.numpy(), "ce")
    with seeded(0):
        images = steps(x, steps.draw(N))
    assert torch.equal(x, before)
    assert images.shape == x.shape
    assert images.dtype == torch.float32
    assert float(images.min()) >= 0
    assert float(images.max()) <= 255.01
    assert not torch.equal(images, x)
    with seeded(0):
        assert torch.equal(images, steps(x, steps.draw(N)))


def test_default_sizes_are_those_of_the_papers_on_32_pixels() -> None:
    x = torch.ones(400, 3, 32, 32)
    steps = read_augmentation("crop;cutout;randaugment", x.numpy(), "ce")
    with seeded(0):
        moved, centres, drawn = steps.draw(400)
    assert int(moved.abs().max()) == 4
    assert int((steps.steps[1].apply(x, centres)[:, 0] == 0).sum(dim=(1, 2)).max()) == 16 * 16
    assert drawn.shape == (400, 2, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("crops", "did you mean 'crop'"),
        ("crop;crop=2", "crop stands twice"),
        ("crop=0", "crop=0 is no number of pixels"),
        ("crop=8", "from 1 to 7"),
        ("cutout=-1", "cutout=-1 is no number"),
        ("cutout=big", "cutout=big is no number"),
        ("flip=0.3", "flip takes no value"),
        ("randaugment=9", "not operations/magnitude"),
        ("randaugment=0/9", "not operations/magnitude"),
        ("randaugment=2/31", "magnitudes 0 to 30"),
        ("flip;;crop", "there is no augmentation ''"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_before_anything_is_written(
    text: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        run("ce", settings=[f"ce.augment={text}"], results=tmp_path / "r")
    assert message in str(error.value)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("shape", "text", "message"),
    [
        ((20,), "flip", "needs images [C, H, W] or [H, W], the data has rows of shape [20]"),
        ((8, 8, 3), "flip", "look like [H, W, C]"),
        ((4, 8, 8), "randaugment", "needs 1 or 3 channels, the data has 4"),
    ],
)
def test_rows_that_are_not_images_are_refused(shape: tuple[int, ...], text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        read_augmentation(text, np.ones((4, *shape), dtype=np.float32), "ce")
    assert message in str(error.value)


def test_standardised_images_have_no_black_and_white() -> None:
    x = np.random.default_rng(0).normal(size=(4, 3, 8, 8)).astype(np.float32)
    with pytest.raises(InputError, match="needs pixels from 0"):
        read_augmentation("randaugment", x, "ce")


# --- which passes see augmented images ------------------------------------------------------------------------------

SHORT: dict[str, Any] = {"model": "watched", "epochs": 2, "results": None}


def images_of_the_data() -> set[bytes]:
    data = load_data(resolve("ce"))
    return {image.tobytes() for name in ("train", "val", "cal", "test") for image in getattr(data, name).x}


def unchanged(rows: torch.Tensor) -> float:
    """The share of rows that are images of the data as they are."""
    images = images_of_the_data()
    return sum(row.numpy().tobytes() in images for row in rows) / len(rows)


def test_only_training_batches_are_augmented(watch: Any) -> None:
    """Every pass outside training mode, for val, cal and test, sees rows of the data as they are."""
    n = run("ce", settings=["ce.augment=crop=3;flip"], **SHORT).n
    assert len(watch.rows(training=True)) == 2 * n["train"]
    assert len(watch.rows(training=False)) == 2 * n["val"] + n["cal"] + n["test"]
    assert unchanged(watch.rows(training=False)) == 1
    assert unchanged(watch.rows(training=True)) < 0.2


def test_features_for_a_head_refit_are_those_of_the_images_themselves(watch: Any) -> None:
    n = run("ce+tst:epochs=2", settings=["ce.augment=flip"], **SHORT).n
    assert len(watch.rows(training=True)) == 2 * n["train"]
    assert unchanged(watch.rows(training=False)) == 1
    assert len(watch.rows(training=False)) == 2 * n["val"] + sum(n.values())
    assert unchanged(watch.rows(training=True)) < 0.65


def test_networks_out_of_fold_are_trained_on_augmented_images(watch: Any) -> None:
    recipe = "noise-ce:folds=2,augment=flip,batch_size=50"
    n = run(recipe, noise="symmetric:rate=0.1", **SHORT).n
    rows = watch.rows(training=True)
    stage_1 = 2 * n["train"]
    assert len(rows) > 1.9 * stage_1, "two epochs of two networks on half of the rows each come first"
    assert unchanged(rows[:-stage_1]) < 0.65
    assert unchanged(rows[-stage_1:]) < 0.65
    assert unchanged(watch.rows(training=False)) == 1


@pytest.mark.slow
def test_augmentation_is_part_of_the_run_and_seeded(tmp_path: Path) -> None:
    options = {"model": "mlp:hidden=8", "epochs": 2, "results": tmp_path / "a"}
    augmented = run("ce:augment=crop;flip", **options)
    again = run("ce:augment=crop;flip", **{**options, "results": tmp_path / "b"})
    plain = run("ce", **options)
    assert augmented.metrics == again.metrics
    assert augmented.recipe == "ce:epochs=2,augment=crop;flip"
    assert plain.run_id != augmented.run_id
    assert plain.metrics != augmented.metrics
    assert "augment" not in plain.config["stages"][0]["params"]


def test_augmentation_is_refused_for_a_network_that_comes_trained(features: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="trains nothing in stage 1"):
        run("ce:augment=flip", f"npz:path={tmp_path / 'features.npz'}", "frozen", results=None)
