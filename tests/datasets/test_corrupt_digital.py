"""Digital corruptions, each against its definition written for one image at a time."""

from __future__ import annotations

import io

import numpy as np
import pytest
from corruption_cases import PUBLISHED, assert_corrupted, corrupt
from PIL import Image
from scipy import ndimage

from calibench_datasets.shift import corrupt_digital


@pytest.mark.parametrize("level", [1, 5])
def test_contrast_jpeg_and_pixelate_are_their_definitions(smooth_images, level):
    factor, quality, share = (PUBLISHED[k][level - 1] for k in ("contrast", "jpeg_compression", "pixelate"))
    mean = np.array([[channel.mean() for channel in image] for image in smooth_images.astype(np.float64) / 255])
    mean = mean[:, :, None, None]
    assert_corrupted(smooth_images, "contrast", level, (smooth_images.astype(np.float64) / 255 - mean) * factor + mean)
    for row in (0, 5):
        image = Image.fromarray(smooth_images[row].transpose(1, 2, 0).astype(np.uint8))
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        stored = np.asarray(Image.open(file)).transpose(2, 0, 1)
        np.testing.assert_array_equal(corrupt(smooth_images, "jpeg_compression", level)[row], stored)
        small = image.resize((int(32 * share), int(32 * share)), Image.Resampling.BOX)
        large = np.asarray(small.resize((32, 32), Image.Resampling.BOX)).transpose(2, 0, 1)
        np.testing.assert_array_equal(corrupt(smooth_images, "pixelate", level)[row], large)


def test_the_random_affine_map_moves_three_points():
    generator = np.random.default_rng(0)
    for _ in range(20):
        state = generator.bit_generator.state
        inverse = corrupt_digital._random_affine(32, 32, 2.5, generator)
        generator.bit_generator.state = state
        points = np.array([[26.0, 26], [26, 6], [6, 6]])
        moved = points + generator.uniform(-2.5, 2.5, (3, 2))
        np.testing.assert_allclose(np.column_stack([moved, np.ones(3)]) @ inverse.T, points, atol=1e-9)


def coordinate_ramp() -> np.ndarray:
    """An image `[1, 3, 32, 32]` whose values are column, row and column: after a warp they show where each pixel was read."""
    columns, rows = np.mgrid[:32, :32][::-1].astype(np.float64) / 255
    return np.stack([columns, rows, columns])[None]


def test_elastic_transform_of_severity_1_is_the_affine_map_alone():
    parameter = PUBLISHED["elastic_transform"][0]
    columns, rows, _ = corrupt_digital.elastic_transform(coordinate_ramp(), parameter, np.random.default_rng(0))[0]
    inverse = corrupt_digital._random_affine(32, 32, 0.08 * 32, np.random.default_rng(0))
    for r, c in [(8, 8), (15, 20), (20, 12)]:
        np.testing.assert_allclose([columns[r, c], rows[r, c]], inverse @ [c, r, 1], atol=1e-6)


def test_elastic_transform_displaces_every_pixel_smoothly():
    ramp = coordinate_ramp()
    warped = corrupt_digital.elastic_transform(ramp, (0.1, 0.03, 0.0), np.random.default_rng(1))[0]
    generator = np.random.default_rng(1)
    generator.uniform(-0.0, 0.0, (3, 2))
    across, down = (
        3.2 * ndimage.gaussian_filter(generator.uniform(-1, 1, (32, 32)), 0.96, truncate=3) for _ in range(2)
    )
    inner = np.s_[4:28, 4:28]
    np.testing.assert_allclose((warped[0] - ramp[0, 0] * 255)[inner], across[inner], atol=1e-6)
    np.testing.assert_allclose((warped[1] - ramp[0, 1] * 255)[inner], down[inner], atol=1e-6)
