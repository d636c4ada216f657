"""Move the pixels of images, for augmentation and for the views of head refits and samplers."""

from __future__ import annotations

from calibench.lazy import torch


def shifted(x: torch.Tensor, down: torch.Tensor | int, right: torch.Tensor | int) -> torch.Tensor:
    """Images `[n, ..., H, W]` moved by whole pixels, one distance `[n]` an image or one for all; new pixels at the edges are 0."""
    height, width = x.shape[-2:]
    each = (torch.as_tensor(by, device=x.device).expand(len(x))[:, None] for by in (down, right))
    from_y, from_x = (torch.arange(size, device=x.device) - by for size, by in zip((height, width), each, strict=True))
    return gathered_pixels(x, from_y[:, :, None].expand(-1, -1, width), from_x[:, None, :].expand(-1, height, -1))


def gathered_pixels(x: torch.Tensor, from_y: torch.Tensor, from_x: torch.Tensor) -> torch.Tensor:
    """Images `[n, ..., H, W]` whose pixel (i, j) is the one at row `from_y[n, i, j]`, column `from_x[n, i, j]`; 0 outside."""
    height, width = x.shape[-2:]
    inside = (from_y >= 0) & (from_y < height) & (from_x >= 0) & (from_x < width)
    place = from_y.clamp(0, height - 1) * width + from_x.clamp(0, width - 1)
    flat = x.reshape(len(x), -1, height * width)
    pixels = flat.gather(2, place.reshape(len(x), 1, -1).expand_as(flat))
    return pixels.where(inside.reshape(len(x), 1, -1), 0).reshape(x.shape)
