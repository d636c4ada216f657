"""RandAugment against torchvision's operations, and how its operations are drawn."""

from __future__ import annotations

import pytest
import torch
from image_cases import H, N, smooth_images

from calibench.seeds import seeded
from calibench.training.rand_augment import MOST, RandAugment, operations, rotated

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


def by_torchvision(x: torch.Tensor, name: str, magnitude: int, direction: int) -> torch.Tensor:
    v2 = pytest.importorskip("torchvision.transforms.v2")
    theirs = v2.RandAugment(magnitude=magnitude, num_magnitude_bins=MOST + 1)
    strengths, signed = theirs._AUGMENTATION_SPACE[name]
    table = strengths(MOST + 1, *x.shape[-2:])
    strength = 0.0 if table is None else float(table[magnitude]) * (direction if signed else 1)
    image: torch.Tensor = theirs._apply_image_or_video_transform(x, name, strength, theirs.interpolation, theirs._fill)
    return image


@pytest.mark.parametrize("name", [*SIGNED, *UNSIGNED])
@pytest.mark.parametrize("magnitude", [0, 9, 17, 30])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("direction", [-1, 1])
def test_every_operation_is_that_of_torchvision(name: str, magnitude: int, channels: int, direction: int) -> None:
    side = 40 if name == "equalize" else H  # PIL's rule leaves images of fewer than 255 pixels as they are
    x = smooth_images(channels, side, side + 5)
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
    x = smooth_images(3, 5, 5)
    torch.testing.assert_close(operations(0.3)["equalize"](x, torch.ones(N)), by_torchvision(x, "Equalize", 9, 1))


def test_a_quarter_turn_moves_every_pixel() -> None:
    x = smooth_images(3, 9, 9)
    assert torch.equal(rotated(x, torch.full((N,), 90.0)), x.rot90(1, (2, 3)))


def test_each_row_has_its_own_operations_in_order() -> None:
    """A batch is its rows, each alone."""
    x = smooth_images(3) * 200
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
