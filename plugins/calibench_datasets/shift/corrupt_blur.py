"""Blur corruptions of Hendrycks & Dietterich (ICLR 2019), with the severities of CIFAR-10-C.

Each has the arguments and the result of those in `corrupt_noise`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

from calibench.lazy import ndimage, np
from calibench_datasets.shift.corrupt_noise import to_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"

DEFOCUS = ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1))
"""Radius of the disk, SD of the Gaussian that smooths its edge; pixels."""

GLASS = ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2))
"""SD of the Gaussian before and after, the largest distance of a swap, number of rounds."""

MOTION = ((6.0, 1.0), (6.0, 1.5), (6.0, 2.0), (8.0, 2.0), (9.0, 2.5))
"""Radius and SD of the trail, pixels."""

ZOOM_END = (1.06, 1.11, 1.16, 1.21, 1.26)
"""End of the zoom factors numpy.arange(1, end, 0.01); by float64 rounding they may include the end."""


def disk(radius: float, smooth: float) -> Floats:
    """A disk of sum 1 on a grid of pixels, smoothed by a 3 x 3 Gaussian."""
    reach = math.ceil(radius) + 1
    axis = np.arange(-reach, reach + 1)
    inside = (axis[:, None] ** 2 + axis[None, :] ** 2 <= radius**2).astype(np.float64)
    tap = np.exp(-(np.array([-1.0, 0.0, 1.0]) ** 2) / (2 * smooth**2))
    tap /= tap.sum()
    kernel: Floats = inside / inside.sum()
    for i in (0, 1):
        kernel = ndimage.correlate1d(kernel, tap, axis=i, mode="constant")
    return kernel


def defocus_blur(x: Floats, parameter: tuple[float, float], generator: np.random.Generator) -> Floats:
    """Every channel correlated with a `disk`; the image is reflected about its outer pixels."""
    return to_bytes(ndimage.correlate(x, disk(*parameter)[None, None], mode="mirror"))


def glass_blur(x: Floats, parameter: tuple[float, int, int], generator: np.random.Generator) -> Floats:
    """A Gaussian, then each pixel in turn swaps places with one up to `delta` pixels away, then a Gaussian."""
    sd, delta, rounds = parameter
    spread = (0, 0, sd, sd)
    pixels: NDArray[np.uint8] = (ndimage.gaussian_filter(x, spread, mode="nearest") * 255).astype(np.uint8)
    n, _, height, width = pixels.shape
    every = np.arange(n)
    for _ in range(rounds):
        for h in range(height - delta, delta, -1):
            for w in range(width - delta, delta, -1):
                dx, dy = generator.integers(-delta, delta, size=(2, n))
                here = pixels[:, :, h, w].copy()
                pixels[:, :, h, w] = pixels[every, :, h + dy, w + dx]
                pixels[every, :, h + dy, w + dx] = here
    return to_bytes(ndimage.gaussian_filter(pixels / 255, spread, mode="nearest"))


def trail_weights(radius: float, sd: float) -> Floats:
    """Weights of a motion blur: the falling half of a Gaussian over 2 radius + 1 pixels, with sum 1."""
    weights = np.exp(-(np.arange(2 * int(radius) + 1) ** 2) / (2 * sd**2))
    return np.asarray(weights / weights.sum())


def smear(x: Floats, radius: float, sd: float, angles: Floats) -> Floats:
    """`x [n, C, H, W]`, each image smeared along its own angle (degrees); outside it, edge pixels repeat.

    Weight i of `trail_weights` lies `ceil(i cos - 1/2)` pixels to the right and `ceil(i sin - 1/2)` below, as in ImageMagick's
    MotionBlurImage.
    """
    n, _, height, width = x.shape
    every = np.arange(n)[:, None, None, None]
    channel = np.arange(x.shape[1])[None, :, None, None]
    smeared = np.zeros_like(x)
    for i, weight in enumerate(trail_weights(radius, sd)):
        right = np.ceil(i * np.cos(np.deg2rad(angles)) - 0.5).astype(int)
        below = np.ceil(i * np.sin(np.deg2rad(angles)) - 0.5).astype(int)
        row = np.clip(np.arange(height)[None, :] + below[:, None], 0, height - 1)[:, None, :, None]
        column = np.clip(np.arange(width)[None, :] + right[:, None], 0, width - 1)[:, None, None, :]
        smeared += weight * x[every, channel, row, column]
    return smeared


def motion_blur(x: Floats, parameter: tuple[float, float], generator: np.random.Generator) -> Floats:
    """Each image smeared along its own angle, uniform in [-45, 45] degrees."""
    return to_bytes(smear(x, *parameter, generator.uniform(-45, 45, size=len(x))))


def zoom(x: Floats, factor: float) -> Floats:
    """The middle of `x [..., H, W]` enlarged by `factor`, bilinear, cut to the same shape.

    Bilinear zoom is linear along each axis, so two matrices, one for rows and one for columns, zoom all images.
    """
    up, across = (_zoom_matrix(size, factor) for size in x.shape[-2:])
    return np.asarray(up @ x @ across.T)


def _zoom_matrix(size: int, factor: float) -> Floats:
    """`[size, size]`: the zoom of one axis, as a matrix."""
    middle = math.ceil(size / factor)
    first = (size - middle) // 2
    enlarged = ndimage.zoom(np.eye(middle), (factor, 1), order=1)
    trim = (len(enlarged) - size) // 2
    matrix = np.zeros((size, size))
    matrix[:, first : first + middle] = enlarged[trim : trim + size]
    return matrix


def zoom_blur(x: Floats, end: float, generator: np.random.Generator) -> Floats:
    """The mean of the image and its zooms by 1, 1.01, ... up to `end`."""
    factors = np.arange(1, end, 0.01)
    total = x + sum(zoom(x, factor) for factor in factors)
    return to_bytes(total / (len(factors) + 1))
