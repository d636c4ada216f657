"""Test rows that are images: their shape, and their values for black and white."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench import InputError
from calibench.data.shift import ShiftTask
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def image_rows(task: ShiftTask, where: str) -> NDArray[np.float32]:
    """The test rows as a view `[n, C, H, W]`; InputError unless they are images `[C, H, W]` or `[H, W]`, C 1 or 3."""
    shape = list(task.x.shape[1:])
    if len(shape) == 2:
        return task.x[:, None]
    if len(shape) != 3:
        message = f"{where}: the data has rows of shape {shape}, which are not images"
        raise InputError(message, "give [C, H, W] or [H, W]")
    if shape[0] not in {1, 3}:
        problem = "look like [H, W, C]" if shape[-1] in {1, 3} else f"have {shape[0]} channels"
        message = f"{where}: the data's rows {shape} {problem}"
        raise InputError(message, "give images [C, H, W] of one or three channels")
    return task.x


def white_value(task: ShiftTask, where: str) -> float:
    """1 for images in [0, 1], 255 for bytes; InputError for values in neither range, such as standardised ones."""
    low, high = task.lowest, task.highest
    if low >= 0 and high <= 1:
        return 1.0
    if low >= 0 and 128 <= high <= 255:
        return 255.0
    message = f"{where}: the data's values run from {low:g} to {high:g}"
    raise InputError(message, "give images in [0, 1] or 0 .. 255; models standardise them")
