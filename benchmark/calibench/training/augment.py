"""Augmentation of training batches on their device: `crop`, `flip`, `cutout`, `randaugment`, joined by `;`, in that order.

Only the training images of stage 1 are augmented: never val, cal or test, and no features. Every row of a batch draws for
itself, from torch's global generator on the CPU, so that a seed gives the same images on every device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from calibench.data.images import image_rows
from calibench.errors import InputError, did_you_mean
from calibench.training.pixels import shifted
from calibench.training.rand_augment import MOST, RandAugment

Draws = torch.Tensor
"""Random numbers for the rows of a batch, `[n, ...]` on the CPU."""


@dataclass(frozen=True)
class Step:
    """One augmentation: `draw(n)` for n rows, then `apply(images [n, C, H, W], draws)`."""

    draw: Callable[[int], Draws]
    apply: Callable[[torch.Tensor, Draws], torch.Tensor]


class Augmentation:
    """The steps of `augment=...`; without steps it changes and draws nothing."""

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        self.steps = tuple(steps)

    def draw(self, n: int) -> list[Draws]:
        """Random numbers for n rows, one tensor a step."""
        return [step.draw(n) for step in self.steps]

    def __call__(self, x: torch.Tensor, draws: Sequence[Draws]) -> torch.Tensor:
        """Augmented rows `[n, C, H, W]` or `[n, H, W]`, a new tensor of the same shape."""
        images = x.unsqueeze(1) if x.ndim == 3 else x
        for step, draws_of_step in zip(self.steps, draws, strict=True):
            images = step.apply(images, draws_of_step)
        return images.reshape(x.shape)


def read_augmentation(text: str | None, train_x: NDArray[np.float32], owner: str) -> Augmentation:
    """The augmentation that a text such as `crop=4;flip;cutout=16;randaugment=2/9` names; InputError names the word it cannot read.

    Default sizes: crop an eighth of the height (the usual 4 of 32 pixels), cutout half of it (16 of 32, DeVries
    and Taylor 2017 on CIFAR-10), randaugment 2 operations of magnitude 9 of 30.
    """
    if text is None:
        return Augmentation()
    where = f"{owner}: augment={text}"
    channels, height, width = image_rows(f"{where} needs", train_x.shape[1:], "leave augment out")
    steps: dict[str, Step] = {}
    for word in text.split(";"):
        name, equals, value = (part.strip() for part in word.partition("="))
        if name not in NAMES:
            raise InputError(f"{where}: there is no augmentation {name!r}", did_you_mean(name, NAMES))
        if name in steps:
            raise InputError(f"{where}: {name} stands twice", "keep one of the two")
        if name == "flip":
            if equals:
                raise InputError(f"{where}: flip takes no value", "half of the rows are mirrored")
            steps[name] = Step(lambda n: torch.rand(n) < 0.5, flipped)
        elif name == "randaugment":
            steps[name] = _rand_augment(value if equals else "2/9", train_x, channels, where)
        else:
            fallback = max(height // 8, 1) if name == "crop" else max(height // 2, 1)
            size = _pixels(value, where, name, min(height, width)) if equals else fallback
            steps[name] = crop(size) if name == "crop" else cutout(size, height, width)
    return Augmentation(list(steps.values()))


NAMES = ("crop", "flip", "cutout", "randaugment")


def _pixels(text: str, where: str, name: str, side: int) -> int:
    size = int(text) if text.isdecimal() else 0
    if not 1 <= size < side:
        message = f"{where}: {name}={text} is no number of pixels from 1 to {side - 1}"
        raise InputError(message, "smaller than the image's shorter side")
    return size


def _rand_augment(text: str, train_x: NDArray[np.float32], channels: int, where: str) -> Step:
    count, slash, magnitude = text.partition("/")
    if not (slash and count.isdecimal() and magnitude.isdecimal() and int(count) >= 1 and int(magnitude) <= MOST):
        message = f"{where}: randaugment={text} is not operations/magnitude"
        raise InputError(message, f"as in randaugment=2/9: at least one operation, magnitudes 0 to {MOST}")
    if channels not in {1, 3}:
        raise InputError(f"{where}: randaugment needs 1 or 3 channels, the data has {channels}", "use crop or cutout")
    low, high = float(train_x.min()), float(train_x.max())
    if low < 0 or high <= 0:
        message = f"{where}: randaugment needs pixels from 0 (black) up; the smallest of the training rows is {low:g}"
        raise InputError(message, "store raw pixels: models standardise them themselves")
    operations = RandAugment(int(count), int(magnitude), white=high)
    return Step(operations.draw, operations)


def crop(pad: int) -> Step:
    """A random crop of the image's size from the image padded by `pad` pixels of 0 on every side (He et al. 2016)."""
    return Step(
        lambda n: torch.randint(-pad, pad + 1, (n, 2)), lambda x, draws: shifted(x, *draws.to(x.device).unbind(dim=1))
    )


def flipped(x: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Images `[n, C, H, W]`, mirrored left to right where `draws [n]` is true."""
    return torch.where(draws.to(x.device)[:, None, None, None], x.flip(-1), x)


def cutout(size: int, height: int, width: int) -> Step:
    """Set a square of `size` pixels to 0. Its centre lies anywhere in the image, so part of it may lie outside.

    DeVries and Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017 (arXiv 1708.04552).
    They set standardised images to 0, the mean. Here images are set to black before the network standardises them.
    """

    def apply(x: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
        top, left = (draws.to(x.device) - size // 2).unbind(dim=1)
        rows, columns = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
        across = (rows >= top[:, None]) & (rows < top[:, None] + size)
        along = (columns >= left[:, None]) & (columns < left[:, None] + size)
        return x.where(~(across[:, None, :, None] & along[:, None, None, :]), 0)

    return Step(lambda n: torch.stack([torch.randint(side, (n,)) for side in (height, width)], dim=1), apply)
