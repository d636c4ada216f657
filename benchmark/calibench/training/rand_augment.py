"""RandAugment (Cubuk, Zoph, Shlens, Le, NeurIPS 2020, arXiv 1909.13719), batched: every image draws its own operations.

Deviations from the paper: strengths are torchvision's table (31 magnitudes; shear to 0.3, translation to 150/331 of the side,
rotation to 30 degrees, blending to 1 +- 0.9, posterize to 4 bits); new pixels at the edges are black, not
grey; interpolation is nearest-neighbour; images stay floating-point numbers, and only posterize and equalize quantise them.
White is the largest value of the training split. An operation with two directions takes either with probability 1/2.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch.nn import functional

from calibench.training.pixels import gathered_pixels

MOST = 30
"""Largest magnitude."""

GREY = (0.2989, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R 601-2), as in torchvision and PIL."""

Operation = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Takes images `[n, C, H, W]` in [0, 1] and the direction of each, `[n]`, -1 or 1."""


class RandAugment:
    """`count` operations of one magnitude, 0 to 30, on images `[n, C, H, W]` in [0, white], C 1 or 3."""

    def __init__(self, count: int, magnitude: int, white: float) -> None:
        self.count, self.white = count, white
        self.operations = operations(magnitude / MOST)

    def draw(self, n: int) -> torch.Tensor:
        """`[n, count, 2]`: the place of each operation in `operations`, and its direction."""
        operation_numbers = torch.randint(len(self.operations), (n, self.count))
        return torch.stack([operation_numbers, torch.randint(2, (n, self.count)) * 2 - 1], dim=-1)

    def __call__(self, x: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
        """The images after their operations, of the same shape and range."""
        x = x / self.white
        for operation_numbers, direction in (one.unbind(dim=-1) for one in draws.unbind(dim=1)):
            for number, operation in enumerate(self.operations.values()):
                rows = (operation_numbers == number).nonzero().squeeze(1)  # on the CPU, so that nothing waits for a GPU
                if len(rows):
                    on_device = rows.to(x.device)
                    x[on_device] = operation(x[on_device], direction[rows].to(x))
        return x * self.white


def operations(strength: float) -> dict[str, Operation]:
    """The paper's 14 operations at a magnitude of `strength`, 0 to 1, by name."""
    bits = round(8 - 4 * strength)
    blend = 0.9 * strength

    def translation(side: int) -> int:
        return int(150 / 331 * side * strength)

    return {
        "identity": lambda x, _: x,
        "shear-x": lambda x, d: warped(x, d, lambda by, at: (at[0], at[1] + by * 0.3 * strength * at[0])),
        "shear-y": lambda x, d: warped(x, d, lambda by, at: (at[0] + by * 0.3 * strength * at[1], at[1])),
        "translate-x": lambda x, d: warped(x, d, lambda by, at: (at[0], at[1] - by * translation(x.shape[-1]))),
        "translate-y": lambda x, d: warped(x, d, lambda by, at: (at[0] - by * translation(x.shape[-2]), at[1])),
        "rotate": lambda x, d: rotated(x, d * 30 * strength),
        "brightness": lambda x, d: blended(x, torch.zeros_like(x), 1 + d * blend),
        "color": lambda x, d: blended(x, grey(x), 1 + d * blend),
        "contrast": lambda x, d: blended(x, grey(x).mean(dim=(1, 2, 3), keepdim=True), 1 + d * blend),
        "sharpness": lambda x, d: blended(x, smoothed(x), 1 + d * blend),
        "posterize": lambda x, _: (x * 2**bits).floor().clamp(0, 2**bits - 1) / 2**bits,
        "solarize": lambda x, _: torch.where(x >= 1 - strength, 1 - x, x),
        "autocontrast": lambda x, _: autocontrast(x),
        "equalize": lambda x, _: equalized(x),
    }


Place = tuple[torch.Tensor, torch.Tensor]
"""Row and column of a point in pixels from the upper left corner, `[n, H, W]`."""


def warped(x: torch.Tensor, by: torch.Tensor, source: Callable[[torch.Tensor, Place], Place]) -> torch.Tensor:
    """Images whose pixel is the one at `source(by [n, 1, 1], centre of the pixel)`; black outside."""
    height, width = x.shape[-2:]
    rows = (torch.arange(height, device=x.device) + 0.5)[None, :, None].expand(len(x), -1, width)
    columns = (torch.arange(width, device=x.device) + 0.5)[None, None, :].expand(len(x), height, -1)
    from_y, from_x = source(by[:, None, None], (rows, columns))
    return gathered_pixels(x, from_y.floor().long(), from_x.floor().long())


def rotated(x: torch.Tensor, degrees: torch.Tensor) -> torch.Tensor:
    """Images rotated counter-clockwise about their middle, by `[n]` degrees."""
    middle_y, middle_x = x.shape[-2] / 2, x.shape[-1] / 2

    def source(angle: torch.Tensor, at: Place) -> Place:
        y, x = at[0] - middle_y, at[1] - middle_x
        return angle.sin() * x + angle.cos() * y + middle_y, angle.cos() * x - angle.sin() * y + middle_x

    return warped(x, degrees * (math.pi / 180), source)


def blended(x: torch.Tensor, degenerate: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """`share x + (1 - share) degenerate`, clamped to black and white; `share [n]` may exceed 1."""
    share = share[:, None, None, None]
    return (share * x + (1 - share) * degenerate).clamp(0, 1)


def grey(x: torch.Tensor) -> torch.Tensor:
    """Brightness `[n, 1, H, W]`; an image of one channel is its own brightness."""
    if x.shape[1] == 1:
        return x
    return (x * x.new_tensor(GREY)[:, None, None]).sum(dim=1, keepdim=True)


def smoothed(x: torch.Tensor) -> torch.Tensor:
    """Each inner pixel averaged with its eight neighbours, the pixel counted five times; the rim stays."""
    if min(x.shape[-2:]) < 3:
        return x
    kernel = x.new_ones(1, 1, 3, 3)
    kernel[..., 1, 1] = 5
    flat = x.reshape(-1, 1, *x.shape[-2:])
    smooth = x.clone()
    inner = functional.conv2d(flat, kernel / kernel.sum())
    smooth[..., 1:-1, 1:-1] = inner.reshape(*x.shape[:2], *inner.shape[-2:])
    return smooth


def autocontrast(x: torch.Tensor) -> torch.Tensor:
    """Each channel stretched to reach black and white; a channel of one value stays."""
    low, high = x.amin(dim=(2, 3), keepdim=True), x.amax(dim=(2, 3), keepdim=True)
    return torch.where(high > low, (x - low) / (high - low).where(high > low, 1), x).clamp(0, 1)


def equalized(x: torch.Tensor) -> torch.Tensor:
    """Each channel's histogram equalised over 256 levels, by PIL's rule."""
    levels = (x * (256 - 1e-3)).long().clamp(0, 255).flatten(2)
    counts = torch.zeros(*levels.shape[:2], 256, dtype=torch.long, device=x.device)
    counts.scatter_add_(2, levels, torch.ones_like(levels))
    below = counts.cumsum(dim=2)
    brightest = counts.gather(2, below.argmax(dim=2, keepdim=True))  # the last level that any pixel has
    step = (levels.shape[2] - brightest).div(255, rounding_mode="floor")
    table = (below[..., :-1] + step // 2).div(step.clamp(min=1), rounding_mode="floor").clamp(0, 255)
    table = torch.cat([torch.zeros_like(step), table], dim=2)
    return torch.where(step > 0, table.gather(2, levels), levels).reshape(x.shape).to(x) / 255
