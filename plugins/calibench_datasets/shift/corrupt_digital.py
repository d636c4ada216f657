"""Digital corruptions of Hendrycks & Dietterich (ICLR 2019), with the severities of CIFAR-10-C.

Each has the arguments and the result of those in `corrupt_noise`.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, TypeAlias

from calibench.lazy import ndimage, np
from calibench_datasets.readers.image_files import pillow
from calibench_datasets.shift.corrupt_noise import to_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"

CONTRAST = (0.75, 0.5, 0.4, 0.3, 0.15)

ELASTIC = ((0.0, 0.0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03))
"""Size of the displacement, SD of the Gaussian that smooths it, reach of the random affine map; as shares of the side."""

PIXELATE = (0.95, 0.9, 0.85, 0.75, 0.65)
JPEG_QUALITY = (80, 65, 58, 50, 40)


def contrast(x: Floats, factor: float, generator: np.random.Generator) -> Floats:
    """`(x - m) c + m` with m the mean of each channel of each image."""
    mean = x.mean(axis=(2, 3), keepdims=True)
    return to_bytes((x - mean) * factor + mean)


def elastic_transform(x: Floats, parameter: tuple[float, float, float], generator: np.random.Generator) -> Floats:
    """A random affine map of three points, then every pixel is read from a place nearby; bilinear, reflected outside."""
    height, width = x.shape[2:]
    side = min(height, width)
    reach, smooth, affine = (share * side for share in parameter)
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    warped = np.empty_like(x)
    for i, image in enumerate(x):
        inverse = _random_affine(height, width, affine, generator)
        source = np.tensordot(inverse, np.stack([columns, rows, np.ones_like(rows)]), axes=1)
        mapped = _interpolate(image, source[1], source[0], "mirror")
        across, down = (
            reach * ndimage.gaussian_filter(generator.uniform(-1, 1, (height, width)), smooth, truncate=3)
            for _ in range(2)
        )
        warped[i] = _interpolate(mapped, rows + down, columns + across, "reflect")
    return to_bytes(warped)


def _random_affine(height: int, width: int, reach: float, generator: np.random.Generator) -> Floats:
    """The inverse `[2, 3]` of the map (column, row, 1) -> (column, row) that moves three points by up to `reach` each way."""
    centre, away = np.array([width, height]) // 2, min(height, width) // 3
    points = np.array([centre + away, [centre[0] + away, centre[1] - away], centre - away], dtype=np.float64)
    moved = points + generator.uniform(-reach, reach, points.shape)
    # Three points before and after determine the map; solved from after to before, it is the inverse.
    return np.asarray(np.linalg.solve(np.column_stack([moved, np.ones(3)]), points).T, dtype=np.float64)


def _interpolate(image: Floats, rows: Floats, columns: Floats, mode: str) -> Floats:
    """`image [C, H, W]` at fractional positions `[H, W]`."""
    return np.stack([ndimage.map_coordinates(channel, (rows, columns), order=1, mode=mode) for channel in image])


def _pillow_images(x: Floats) -> list[Any]:
    image_module = pillow()
    pixels = np.floor(x * 255 + 0.5).astype(np.uint8).transpose(0, 2, 3, 1)
    return [image_module.fromarray(row if row.shape[2] == 3 else row[:, :, 0]) for row in pixels]


def _to_array(images: list[Any]) -> Floats:
    pixels = np.stack([np.asarray(image, dtype=np.float64) for image in images])
    return pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)


def pixelate(x: Floats, share: float, generator: np.random.Generator) -> Floats:
    """Each image scaled to a share of its sides, each pixel the mean of a box, and scaled back."""
    box = pillow().Resampling.BOX
    height, width = x.shape[2:]
    small = max(int(width * share), 1), max(int(height * share), 1)
    return _to_array([image.resize(small, box).resize((width, height), box) for image in _pillow_images(x)])


def jpeg_compression(x: Floats, quality: int, generator: np.random.Generator) -> Floats:
    """Each image stored as JPEG of a quality and read back."""
    decoded = []
    for image in _pillow_images(x):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        decoded.append(pillow().open(file, formats=("JPEG",)))
    return _to_array(decoded)
