"""The layer of `masksembles`: a linear layer or a convolution whose inputs are masked, with one fixed mask a member."""

from __future__ import annotations

import torch
from torch import nn

from calibench import InputError

TRIES = 200
"""Draws at one number of positions, before another number is tried."""

LEAST_WIDTH = 10
"""The authors' code refuses fewer features too: masks of so few come out equal."""


class MaskedLayer(nn.Module):
    """`layer(x * mask_m)` per row, with masks `[M, inputs]` of zeros and ones that never change.

    All rows belong to the member `member`. If it is None, row i belongs to member i mod M, as in training.
    """

    masks: torch.Tensor

    def __init__(self, layer: nn.Linear | nn.Conv2d, masks: torch.Tensor) -> None:
        super().__init__()
        self.layer = layer
        self.member: int | None = None
        self.register_buffer("masks", masks)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's output for `x [n, inputs]`, `[n, tokens, inputs]` or `[n, channels, H, W]`."""
        count = len(self.masks)
        member = torch.arange(len(x), device=x.device) % count if self.member is None else self.member
        mask = self.masks[member].expand(len(x), -1)
        ones = [1] * (x.ndim - 2)
        convolution = isinstance(self.layer, nn.Conv2d)
        out: torch.Tensor = self.layer(x * mask.reshape(len(x), *([-1, *ones] if convolution else [*ones, -1])))
        return out


def masks(width: int, members: int, scale: float) -> torch.Tensor:
    """Masks `[members, width]` of algorithm 1: m ones each at random among m scale positions, unused positions dropped.

    m is the number for which `m scale (1 - (1 - 1/scale)^members)`, the expected number of used positions, is `width`. Masks
    are drawn, at numbers of positions ever further from m scale, until exactly `width` are used. InputError if none is found,
    or if all would be full.
    """
    message = f"masksembles: {members} masks of scale {scale:g} cannot share {width} features"
    expected = scale * (1 - (1 - 1 / scale) ** members)
    ones = min(max(round(width / expected), 1), width)
    if width < LEAST_WIDTH or (scale > 1 and ones == width):
        raise InputError(message, f"use a layer of {LEAST_WIDTH} features or more, and a larger scale if it is near 1")
    positions = round(ones * scale)
    for step in range(2 * width + 1):
        total = positions + (step // 2 if step % 2 == 0 else -(step // 2 + 1))  # p, p - 1, p + 1, p - 2, ...
        if not ones <= total or total < width:
            continue
        for _ in range(TRIES):
            drawn = torch.stack([torch.randperm(total) < ones for _ in range(members)])
            used = drawn[:, drawn.any(dim=0)]
            if used.shape[1] == width:
                return used.float()
    raise InputError(message, "use fewer members, a smaller scale or a wider network")


def masked_layers(network: nn.Module) -> list[MaskedLayer]:
    """The masked layers of a converted network."""
    return [module for module in network.modules() if isinstance(module, MaskedLayer)]
