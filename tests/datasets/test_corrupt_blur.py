"""Blur corruptions, each against its definition written for one image at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from corruption_cases import PUBLISHED, assert_corrupted, generator_of
from scipy import ndimage, signal

from calibench_datasets.shift import corrupt_blur


@pytest.mark.parametrize("level", [1, 4, 5])
def test_defocus_blur_is_a_convolution_with_a_smoothed_disk(smooth_images, level):
    radius, smooth = PUBLISHED["defocus_blur"][level - 1]
    axis = np.arange(-8, 9)  # the authors' grid, of which ours keeps the part that is not 0
    inside = np.array([[float(x * x + y * y <= radius**2) for x in axis] for y in axis])
    tap = np.array([math.exp(-(k * k) / (2 * smooth**2)) for k in (-1, 0, 1)])
    kernel = signal.convolve2d(inside / inside.sum(), np.outer(tap, tap) / tap.sum() ** 2, mode="same")
    padded = np.pad(
        smooth_images.astype(np.float64) / 255, ((0, 0), (0, 0), (8, 8), (8, 8)), mode="reflect"
    )  # reflect_101
    expected = np.array([[signal.convolve2d(c, kernel, mode="valid") for c in image] for image in padded])
    assert_corrupted(smooth_images, "defocus_blur", level, expected)


@pytest.mark.parametrize("level", [3, 5])
def test_glass_blur_swaps_pixel_after_pixel(smooth_images, level):
    sd, delta, rounds = PUBLISHED["glass_blur"][level - 1]
    generator = generator_of("glass_blur", level)
    moves = [
        generator.integers(-delta, delta, size=(2, len(smooth_images)))
        for _ in range(rounds)
        for _ in range(32 - delta, delta, -1)
        for _ in range(32 - delta, delta, -1)
    ]
    expected = []
    for row, image in enumerate(smooth_images.astype(np.float64) / 255):
        planes = [ndimage.gaussian_filter(channel, sd, mode="nearest") for channel in image]
        x = (np.stack(planes, axis=-1) * 255).astype(np.uint8)
        steps = iter(moves)
        for _ in range(rounds):
            for h in range(32 - delta, delta, -1):
                for w in range(32 - delta, delta, -1):
                    dx, dy = next(steps)[:, row]
                    x[h, w], x[h + dy, w + dx] = x[h + dy, w + dx].copy(), x[h, w].copy()
        expected.append([ndimage.gaussian_filter(x[..., k] / 255, sd, mode="nearest") for k in range(3)])
    assert_corrupted(smooth_images, "glass_blur", level, np.array(expected), few=2e-3)


def test_glass_blur_without_its_gaussians_only_moves_pixels(smooth_images):
    blurred = corrupt_blur.glass_blur(smooth_images / 255.0, (1e-6, 1, 2), np.random.default_rng(0))
    assert (blurred != smooth_images).any()
    for image, before in zip(blurred, smooth_images, strict=True):
        pixels = [np.sort(np.rint(x).reshape(3, -1).T.astype(int) @ [65536, 256, 1]) for x in (image, before)]
        np.testing.assert_allclose(*pixels, atol=65793)  # the cut to bytes may lower each channel by one


@pytest.mark.parametrize("level", [1, 5])
def test_motion_blur_is_a_trail_along_a_line(smooth_images, level):
    radius, sd = PUBLISHED["motion_blur"][level - 1]
    angles = generator_of("motion_blur", level).uniform(-45, 45, size=len(smooth_images))
    weights = [math.exp(-(i * i) / (2 * sd * sd)) for i in range(2 * radius + 1)]
    expected = np.zeros_like(smooth_images, dtype=np.float64)
    for row, angle in enumerate(angles):
        for i, weight in enumerate(weights):
            right = math.ceil(i * math.cos(math.radians(angle)) - 0.5)
            below = math.ceil(i * math.sin(math.radians(angle)) - 0.5)
            padded = np.pad(smooth_images[row].astype(np.float64) / 255, ((0, 0), (20, 20), (20, 20)), mode="edge")
            moved = padded[:, 20 + below : 52 + below, 20 + right : 52 + right]
            expected[row] += weight / sum(weights) * moved
    assert_corrupted(smooth_images, "motion_blur", level, expected)
    # an image whose rows each have one colour does not change along 0 degrees
    rows = np.repeat(np.linspace(0, 1, 32)[:, None], 32, axis=1)[None, None]
    np.testing.assert_allclose(corrupt_blur.smear(rows, radius, sd, np.zeros(1)), rows, atol=1e-12)


@pytest.mark.parametrize("level", [1, 5])
def test_zoom_blur_averages_zooms(smooth_images, level):
    factors = np.arange(1, PUBLISHED["zoom_blur"][level - 1], 0.01)
    assert len(factors) == {1: 7, 5: 26}[level], "by rounding, arange includes 1.06 and not 1.26"

    def zoom(image: np.ndarray, factor: float) -> np.ndarray:
        middle = math.ceil(32 / factor)
        top = (32 - middle) // 2
        enlarged = ndimage.zoom(image[top : top + middle, top : top + middle], (factor, factor, 1), order=1)
        trim = (enlarged.shape[0] - 32) // 2
        return enlarged[trim : trim + 32, trim : trim + 32]

    expected = []
    for image in smooth_images.transpose(0, 2, 3, 1).astype(np.float64) / 255:
        total = sum((zoom(image, factor) for factor in factors), image.copy())
        expected.append((total / (len(factors) + 1)).transpose(2, 0, 1))
    assert_corrupted(smooth_images, "zoom_blur", level, np.array(expected))
