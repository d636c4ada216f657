"""Preparation of inputs for a network of timm."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from calibench.models.images import AsImage


class Prepared(nn.Module):
    """Channel axis - bicubic resize, if a size is set - scaling; it runs before the library's network."""

    def __init__(self, size: tuple[int, int] | None, scale: nn.Module) -> None:
        super().__init__()
        self.image, self.size, self.scale = AsImage(), size, scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[N, C, H, W]`."""
        x = self.image(x)
        if self.size is not None:
            x = functional.interpolate(x, self.size, mode="bicubic", align_corners=False, antialias=True)
        scaled: torch.Tensor = self.scale(x)
        return scaled
