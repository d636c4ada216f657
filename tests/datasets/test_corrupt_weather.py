"""Weather corruptions, each against its definition written for one image at a time."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from corruption_cases import PUBLISHED, assert_corrupted, corrupt, generator_of, task
from PIL import Image

from calibench import InputError
from calibench_datasets.shift import corrupt_blur, corrupt_weather, corruptions


def test_plasma_is_diamond_square():
    side, decay, n = 8, 2.5, 3
    maps = corrupt_weather.plasma(n, side, decay, np.random.default_rng(5))
    generator = np.random.default_rng(5)
    heights = np.zeros((n, side, side))
    step, wobble = side, 100.0
    while step >= 2:
        half, cells = step // 2, side // step
        for rows, columns, ways in (
            (half, half, ((-half, -half), (-half, half), (half, -half), (half, half))),
            (0, half, ((0, -half), (0, half), (-half, 0), (half, 0))),
            (half, 0, ((0, -half), (0, half), (-half, 0), (half, 0))),
        ):
            drawn = generator.uniform(-wobble, wobble, (n, cells, cells))
            for i in range(cells):
                for j in range(cells):
                    r, c = rows + i * step, columns + j * step
                    four = [heights[:, (r + a) % side, (c + b) % side] for a, b in ways]
                    heights[:, r, c] = sum(four) / 4 + wobble * drawn[:, i, j]
        step, wobble = half, wobble / decay
    heights -= heights.min(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(maps, heights / heights.max(axis=(1, 2), keepdims=True), atol=1e-9)
    assert maps.min() == 0
    assert maps.max() == 1


@pytest.mark.parametrize("level", [1, 5])
def test_fog_snow_and_frost_are_sums_of_the_image_and_a_texture(smooth_images, level):
    x = smooth_images.astype(np.float64) / 255
    fog_weight, decay = PUBLISHED["fog"][level - 1]
    haze = corrupt_weather.plasma(12, 32, decay, generator_of("fog", level))[:, None]
    most = np.array([image.max() for image in x])[:, None, None, None]
    assert_corrupted(smooth_images, "fog", level, (x + fog_weight * haze) * most / (most + fog_weight))

    image_weight, frost_weight = PUBLISHED["frost"][level - 1]
    plasma = corrupt_weather.plasma(12, 32, 1.75, generator_of("frost", level))[:, None]
    tint = np.array([0.80, 0.92, 1.0])[None, :, None, None]
    assert_corrupted(smooth_images, "frost", level, image_weight * x + frost_weight * plasma * tint)

    mean, sd, size, darkest, radius, fall, weight = PUBLISHED["snow"][level - 1]
    generator = generator_of("snow", level)
    flakes = corrupt_blur.zoom(generator.normal(mean, sd, size=(12, 1, 32, 32)), size)
    flakes = np.floor(np.clip(np.where(flakes < darkest, 0, flakes), 0, 1) * 255)
    flakes = np.rint(corrupt_blur.smear(flakes, radius, fall, generator.uniform(-135, -45, size=12))) / 255
    grey = (0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2])[:, None]
    pale = weight * x + (1 - weight) * np.maximum(x, 1.5 * grey + 0.5)
    assert_corrupted(smooth_images, "snow", level, pale + flakes + np.rot90(flakes, 2, axes=(2, 3)))


@pytest.fixture
def frost_folder(tmp_path):
    """`frost_folder(image)` writes an image, by default a random one of 200 x 230 pixels, as frost1.png; returns the folder."""
    (tmp_path / "notes.txt").write_text("not an image")

    def call(image: np.ndarray | None = None) -> str:
        Image.fromarray(random_image() if image is None else image).save(tmp_path / "frost1.png")
        return str(tmp_path)

    return call


def random_image() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, size=(200, 230, 3), dtype=np.uint8)


def test_frost_is_a_random_crop_of_the_reduced_images_of_a_folder(smooth_images, frost_folder):
    shifted = corruptions.corruptions(task(smooth_images), "frost", (2,), frost_folder(), 0)
    assert shifted.notes == ("frost from 1 images",)
    x = shifted.variants[0].x()
    image_weight, frost_weight = PUBLISHED["frost"][1]
    reduced = random_image()[2::5, 2::5].transpose(2, 0, 1).astype(np.float64)
    generator = generator_of("frost", 2)
    generator.integers(1, size=12)
    for row in range(12):
        top, left = generator.integers(0, 40 - 32), generator.integers(0, 46 - 32)
        crop = reduced[:, top : top + 32, left : left + 32]
        expected = np.floor(np.clip(image_weight * smooth_images[row] + frost_weight * crop, 0, 255))
        assert np.abs(x[row] - expected).max() <= 1
        assert (x[row] != expected).mean() < 0.02


def test_other_frost_images_have_another_digest(smooth_images, frost_folder):
    digests = {
        corruptions.corruptions(task(smooth_images), "frost", (2,), frost_folder(image), 0).files
        for image in (random_image(), random_image()[:, ::-1])
    }
    assert len(digests) == 2


def test_unusable_frost_folders_are_refused(smooth_images, frost_folder, tmp_path):
    def frost(folder: str) -> None:
        corruptions.corruptions(task(smooth_images), "frost", None, folder, 0)

    with pytest.raises(InputError, match=r"frost1\.png', reduced 5 times, is not larger"):
        frost(frost_folder(random_image()[::2]))
    (tmp_path / "frost1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match="not an image, or damaged"):
        frost(str(tmp_path))
    (tmp_path / "frost1.png").unlink()
    with pytest.raises(InputError, match=r"holds no \.png or \.jpg"):
        frost(str(tmp_path))


@pytest.mark.parametrize("level", [1, 5])
def test_brightness_raises_the_value_of_hsv(smooth_images, level):
    more = PUBLISHED["brightness"][level - 1]
    few = smooth_images[:3].copy()
    few[0, :, :2] = 0  # black has no hue
    expected = np.empty_like(few)
    for row, r, c in np.ndindex(3, 32, 32):
        hue, saturation, value = colorsys.rgb_to_hsv(*(few[row, :, r, c].astype(np.float64) / 255))
        expected[row, :, r, c] = colorsys.hsv_to_rgb(hue, saturation, min(value + more, 1))
    gap = np.abs(corrupt(few, "brightness", level) - np.floor(expected * 255 + 1e-9))
    assert gap.max() <= 1
    assert (gap > 0).mean() < 0.02  # float arithmetic leaves some whole bytes just below themselves
