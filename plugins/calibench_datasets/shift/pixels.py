"""What shifts of pictures share: test rows as `[n, C, H, W]`, and what values stand for black and white."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench import InputError
from calibench.data.shift import ShiftTask
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def as_images(task: ShiftTask, where: str) -> NDArray[np.float32]:
    """The test rows as a view `[n, C, H, W]`; InputError unless they are pictures `[C, H, W]` or `[H, W]`, C 1 or 3."""
    shape = list(task.x.shape[1:])
    if len(shape) == 2:
        return task.x[:, None]
    if len(shape) != 3:
        raise InputError(
            f"{where}: the data has rows of shape {shape}, which are no pictures", "give [C, H, W] or [H, W]"
        )
    if shape[0] not in {1, 3}:
        what = "look like [H, W, C]" if shape[-1] in {1, 3} else f"have {shape[0]} channels"
        raise InputError(f"{where}: the data's rows {shape} {what}", "give pictures [C, H, W] of one or three channels")
    return task.x


def white(task: ShiftTask, where: str) -> float:
    """1 of pictures in [0, 1], 255 of bytes; InputError for values that are neither, such as standardised ones."""
    low, high = task.lowest, task.highest
    if low >= 0 and high <= 1:
        return 1.0
    if low >= 0 and 128 <= high <= 255:
        return 255.0
    message = f"{where}: the data's values run from {low:g} to {high:g}"
    raise InputError(message, "give pictures in [0, 1] or 0 .. 255; models standardise them")
