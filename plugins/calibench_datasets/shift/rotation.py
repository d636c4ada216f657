"""`rotation`: images turned about their centre, as rotated SVHN."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from calibench import InputError, Param, ShiftSpec, Variant
from calibench.data.shift import ShiftTask
from calibench.lazy import ndimage, np
from calibench_datasets.shift.image_rows import image_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEC = ShiftSpec(
    name="rotation",
    target=f"{__name__}:rotation",
    summary="Images turned by 10, 45, 90, 135 and 180 degrees, the protocol of rotated SVHN.",
    params=(Param("angles", "floats", (10.0, 45.0, 90.0, 135.0, 180.0), "counter-clockwise", "degrees"),),
    paper="M. Jordahn, P. Olmos, Decoupling Feature Extraction and Classification Layers, ICML 2024 (arXiv 2405.01196)",
    deviations=("bilinear, with 0 outside the image; the paper does not say how it interpolates",),
)


def rotation(task: ShiftTask, angles: tuple[float, ...]) -> list[Variant]:
    """Every image turned counter-clockwise by each of `angles` (degrees), bilinear, in its own shape, with 0 outside the image.

    Multiples of 90 only move the pixels of square images. InputError for rows that are not images, and for repeated angles.
    """
    where = "shift rotation"
    images = image_rows(task, where)
    if len({angle % 360 for angle in angles}) < len(angles):
        raise InputError(f"{where}: an angle is repeated", "give each once, as angles=10;45;90")
    return [Variant("rotation", angle, partial(rotate, images, angle, task.x.shape)) for angle in angles]


def rotate(images: NDArray[np.float32], angle: float, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """`images [n, C, H, W]` turned by `angle` degrees, reshaped to `shape`."""
    quarters = angle / 90
    if quarters.is_integer() and (images.shape[2] == images.shape[3] or quarters % 2 == 0):
        return np.rot90(images, int(quarters) % 4, axes=(2, 3)).reshape(shape)
    return np.asarray(ndimage.rotate(images, angle, axes=(3, 2), reshape=False, order=1)).reshape(shape)
