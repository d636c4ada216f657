"""Views of images: shifted by whole pixels and mirrored, like the augmentation used in training on CIFAR."""

from __future__ import annotations

from collections.abc import Iterator

from calibench import InputError
from calibench.data.images import image_rows
from calibench.lazy import torch
from calibench.stages import View
from calibench.training.pixels import shifted


def random_views(count: int, shift: int | None, flip: bool, height: int) -> Iterator[View]:
    """`count` views, each shifted by up to `shift` pixels in both directions, drawn uniformly.

    If `flip`, the first view and every second one after it are mirrored. If `shift` is None, it is an eighth of the height,
    at least 1. Draws from torch's global generator.
    """
    largest = max(height // 8, 1) if shift is None else shift
    for number in range(count):
        down, right = (int(torch.randint(-largest, largest + 1, ())) for _ in range(2))
        mirror = flip and number % 2 == 0

        def view(x: torch.Tensor, down: int = down, right: int = right, mirror: bool = mirror) -> torch.Tensor:
            y = shifted(x, down, right)
            return y.flip(-1) if mirror else y

        yield view


def check_images(name: str, input_shape: tuple[int, ...], shift: int | None, flip: bool) -> None:
    """InputError unless the inputs are images larger than the shift and the views differ."""
    if shift == 0 and not flip:
        raise InputError(f"{name}: without a shift or a mirror image every view is the same", "set shift or flip=true")
    image_rows(f"{name}: views need", input_shape, "leave the views out")
    if (shift or 0) >= min(input_shape[-2:]):
        message = f"{name}: a shift of {shift} pixels leaves nothing of images {list(input_shape[-2:])}"
        raise InputError(message, "lower shift")
