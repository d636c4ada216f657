"""Images of the tests of augmentation."""

from __future__ import annotations

import torch

N, H, W = 6, 12, 17


def smooth_images(channels: int = 3, height: int = H, width: int = W, n: int = N) -> torch.Tensor:
    """Smooth enough to have a histogram, no two rows alike, one channel of a single value."""
    generator = torch.Generator().manual_seed(channels)
    x = torch.rand(n, channels, height, width, generator=generator).square()
    x[0, 0] = 0.25
    return x
