"""Augmentation of training batches against torchvision's operations, by its properties, and by whom it must never reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from calibench import InputError, run
from calibench.models import network
from calibench.seeds import seeded
from calibench.training import augment
from calibench.training.augment import crop, cutout, flipped, read_augmentation
from calibench.training.rand_augment import MOST, RandAugment, operations, rotated

pytestmark = pytest.mark.usefixtures("one_thread")

N, H, W = 6, 12, 17
SIGNED = {
    "shear-x": "ShearX",
    "shear-y": "ShearY",
    "translate-x": "TranslateX",
    "translate-y": "TranslateY",
    "rotate": "Rotate",
    "brightness": "Brightness",
    "color": "Color",
    "contrast": "Contrast",
    "sharpness": "Sharpness",
}
UNSIGNED = {
    "identity": "Identity",
    "posterize": "Posterize",
    "solarize": "Solarize",
    "autocontrast": "AutoContrast",
    "equalize": "Equalize",
}
GEOMETRIC = {"shear-x", "shear-y", "rotate"}


def pictures(channels: int = 3, height: int = H, width: int = W, n: int = N) -> torch.Tensor:
    """Smooth enough to have a histogram, no two rows alike, one channel of a single value."""
    generator = torch.Generator().manual_seed(channels)
    x = torch.rand(n, channels, height, width, generator=generator).square()
    x[0, 0] = 0.25
    return x


def by_torchvision(x: torch.Tensor, name: str, magnitude: int, direction: int) -> torch.Tensor:
    v2 = pytest.importorskip("torchvision.transforms.v2")
    theirs = v2.RandAugment(magnitude=magnitude, num_magnitude_bins=MOST + 1)
    strengths, signed = theirs._AUGMENTATION_SPACE[name]
    table = strengths(MOST + 1, *x.shape[-2:])
    strength = 0.0 if table is None else float(table[magnitude]) * (direction if signed else 1)
    found: torch.Tensor = theirs._apply_image_or_video_transform(x, name, strength, theirs.interpolation, theirs._fill)
    return found


@pytest.mark.parametrize("name", [*SIGNED, *UNSIGNED])
@pytest.mark.parametrize("magnitude", [0, 9, 17, 30])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("direction", [-1, 1])
def test_every_operation_is_torchvisions(name: str, magnitude: int, channels: int, direction: int) -> None:
    side = 40 if name == "equalize" else H  # PIL's rule leaves images of fewer than 255 pixels as they are
    x = pictures(channels, side, side + 5)
    mine = operations(magnitude / MOST)[name](x, torch.full((N,), float(direction)))
    theirs = by_torchvision(x, (SIGNED | UNSIGNED)[name], magnitude, direction)
    if name in GEOMETRIC:  # the nearest pixel of a point halfway between two is a matter of rounding
        apart = ((mine - theirs).abs() > 1e-6).double().mean()
        assert float(apart) <= 0.01, float(apart)
    else:
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=2e-6)
    if magnitude == 30 and name not in {"identity", "color", "posterize"}:
        assert not torch.equal(mine, x)


def test_equalize_leaves_small_images_as_torchvision_does() -> None:
    x = pictures(3, 5, 5)
    torch.testing.assert_close(operations(0.3)["equalize"](x, torch.ones(N)), by_torchvision(x, "Equalize", 9, 1))


def test_a_quarter_turn_moves_every_pixel() -> None:
    x = pictures(3, 9, 9)
    assert torch.equal(rotated(x, torch.full((N,), 90.0)), x.rot90(1, (2, 3)))


def test_each_row_has_its_own_operations_in_order() -> None:
    """A batch is its rows, each alone."""
    x = pictures(3) * 200
    both = RandAugment(3, 20, white=200)
    with seeded(3):
        drawn = both.draw(N)
    assert drawn.shape == (N, 3, 2)
    whole = both(x, drawn)
    for row in range(N):
        one = x[row : row + 1] / 200
        for number, direction in drawn[row].tolist():
            one = list(both.operations.values())[number](one, torch.tensor([float(direction)]))
        torch.testing.assert_close(whole[row : row + 1], one * 200, rtol=1e-5, atol=1e-4)


def test_every_operation_and_both_directions_are_drawn_alike() -> None:
    with seeded(0):
        drawn = RandAugment(2, 9, 1.0).draw(20_000).reshape(-1, 2)
    counts = drawn[:, 0].bincount().double()
    assert len(counts) == len(SIGNED) + len(UNSIGNED) == 14
    assert float((counts - 40_000 / 14).abs().max()) < 5 * (40_000 / 14) ** 0.5
    assert abs(float(drawn[:, 1].double().mean())) < 0.03


def test_a_crop_is_one_of_the_padded_image() -> None:
    x = pictures()
    padded = np.pad(x.numpy(), [(0, 0), (0, 0), (2, 2), (2, 2)])
    step = crop(2)
    with seeded(1):
        drawn = step.draw(N)
    for image, found, (down, right) in zip(padded, step.apply(x, drawn), drawn.tolist(), strict=True):
        top, left = 2 - down, 2 - right
        np.testing.assert_array_equal(found.numpy(), image[:, top : top + H, left : left + W])
    with seeded(2):
        many = step.draw(2000)
    assert {tuple(d) for d in many.tolist()} == {(a, b) for a in range(-2, 3) for b in range(-2, 3)}


def test_half_the_rows_are_mirrored() -> None:
    x = pictures()
    drawn = torch.tensor([True, False] * 3)
    found = flipped(x, drawn)
    assert torch.equal(found[::2], x[::2].flip(-1))
    assert torch.equal(found[1::2], x[1::2])
    with seeded(0):
        (many,) = read_augmentation("flip", x.numpy(), "ce").draw(10_000)
    assert abs(float(many.double().mean()) - 0.5) < 0.025


@pytest.mark.parametrize("size", [1, 4, 5])
def test_a_cut_out_square(size: int) -> None:
    step = cutout(size, H, W)
    centre = torch.tensor([[5, 8], [0, 0], [11, 16]])
    found = step.apply(torch.ones(3, 2, H, W), centre)
    assert (found[0] == 0).sum() == 2 * size**2
    for image, (y, x) in zip(found, centre.tolist(), strict=True):
        wanted = np.ones((H, W))
        top, left = y - size // 2, x - size // 2
        wanted[max(top, 0) : top + size, max(left, 0) : left + size] = 0
        np.testing.assert_array_equal(image[0].numpy(), wanted)
    with seeded(0):
        drawn = step.draw(5000)
    assert drawn.amin(dim=0).tolist() == [0, 0]
    assert drawn.amax(dim=0).tolist() == [H - 1, W - 1]


@pytest.mark.parametrize("shape", [(3, H, W), (1, H, W), (H, W)])
def test_all_together_keep_shape_range_and_input(shape: tuple[int, ...]) -> None:
    x = torch.rand(N, *shape) * 255
    before = x.clone()
    steps = read_augmentation("crop;flip;cutout=4;randaugment=2/15", x.numpy(), "ce")
    with seeded(0):
        found = steps(x, steps.draw(N))
    assert torch.equal(x, before)
    assert found.shape == x.shape
    assert found.dtype == torch.float32
    assert float(found.min()) >= 0
    assert float(found.max()) <= 255.01
    assert not torch.equal(found, x)
    with seeded(0):
        assert torch.equal(found, steps(x, steps.draw(N)))


def test_sizes_that_are_not_given_are_the_papers_on_32_pixels() -> None:
    x = torch.ones(400, 3, 32, 32)
    steps = read_augmentation("crop;cutout;randaugment", x.numpy(), "ce")
    with seeded(0):
        moved, centres, drawn = steps.draw(400)
    assert int(moved.abs().max()) == 4
    assert int((steps.steps[1].apply(x, centres)[:, 0] == 0).sum(dim=(1, 2)).max()) == 16 * 16
    assert drawn.shape == (400, 2, 2)


@pytest.mark.parametrize(
    ("text", "words"),
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
def test_what_cannot_be_read_is_refused_before_anything_is_written(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        run("ce", settings=[f"ce.augment={text}"], results=tmp_path / "r")
    assert words in str(error.value)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("shape", "text", "words"),
    [
        ((20,), "flip", "needs images [C, H, W] or [H, W], the data has rows of shape [20]"),
        ((8, 8, 3), "flip", "look like [H, W, C]"),
        ((4, 8, 8), "randaugment", "needs 1 or 3 channels, the data has 4"),
    ],
)
def test_what_is_no_image_is_refused(shape: tuple[int, ...], text: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        read_augmentation(text, np.ones((4, *shape), dtype=np.float32), "ce")
    assert words in str(error.value)


def test_standardised_images_have_no_black_and_white() -> None:
    x = np.random.default_rng(0).normal(size=(4, 3, 8, 8)).astype(np.float32)
    with pytest.raises(InputError, match="needs pixels from 0"):
        read_augmentation("randaugment", x, "ce")


# --- whom it reaches ------------------------------------------------------------------------------------------------

SHORT: dict[str, Any] = {"model": "mlp:hidden=8", "epochs": 2, "results": None}


def test_training_batches_alone_are_augmented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pass outside training mode, for val, cal, test and features, sees rows of the data as they are."""
    seen: dict[bool, list[torch.Tensor]] = {True: [], False: []}
    forward = network.Network.forward

    def watched(self: network.Network, x: torch.Tensor) -> torch.Tensor:
        seen[self.training].append(x.clone())
        return forward(self, x)

    monkeypatch.setattr(network.Network, "forward", watched)
    found = run("ce", settings=["ce.augment=crop=3;flip"], **SHORT)
    trained, judged = seen[True], torch.cat(seen[False])
    assert len(torch.cat(trained)) == 2 * found.n["train"]
    assert len(judged) == 2 * found.n["val"] + found.n["cal"] + found.n["test"]
    from calibench.config.resolve import resolve
    from calibench.data.load import load_data

    data = load_data(resolve("ce"))
    rows = {image.tobytes() for name in ("train", "val", "cal", "test") for image in getattr(data, name).x}
    assert all(image.numpy().tobytes() in rows for image in judged)
    assert sum(image.numpy().tobytes() in rows for image in torch.cat(trained)) < 0.2 * 2 * found.n["train"]


def test_features_for_a_head_refit_are_of_the_images_themselves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    called: list[int] = []
    apply = augment.Augmentation.__call__

    def counted(self: augment.Augmentation, x: torch.Tensor, drawn: Any) -> torch.Tensor:
        called.append(len(x) if self.steps else 0)
        return apply(self, x, drawn)

    monkeypatch.setattr(augment.Augmentation, "__call__", counted)
    record = run("ce+tst:epochs=2", settings=["ce.augment=flip"], **SHORT)
    assert sum(called) == 2 * record.n["train"]


def test_it_is_part_of_the_run_and_seeded(tmp_path: Path) -> None:
    given = {**SHORT, "results": tmp_path / "a"}
    one = run("ce:augment=crop;flip", **given)
    again = run("ce:augment=crop;flip", **{**given, "results": tmp_path / "b"})
    other = run("ce", **given)
    assert one.metrics == again.metrics
    assert one.recipe == "ce:epochs=2,augment=crop;flip"
    assert other.run_id != one.run_id
    assert other.metrics != one.metrics
    assert "augment" not in other.config["stages"][0]["params"]


def test_networks_out_of_fold_are_trained_on_the_same_images(monkeypatch: pytest.MonkeyPatch) -> None:
    called = 0
    draw = augment.Augmentation.draw

    def counted(self: augment.Augmentation, n: int) -> list[torch.Tensor]:
        nonlocal called
        called += n
        return draw(self, n)

    monkeypatch.setattr(augment.Augmentation, "draw", counted)
    record = run("noise-ce:folds=2,augment=flip,batch_size=50", noise="symmetric:rate=0.1", **SHORT)
    assert called > 2 * record.n["train"]


def test_a_network_that_is_given_trained_has_nothing_to_augment(features: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="trains nothing in stage 1"):
        run("ce:augment=flip", f"npz:path={tmp_path / 'features.npz'}", "frozen", results=None)
