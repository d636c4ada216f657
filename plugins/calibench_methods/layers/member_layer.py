"""The layer of `batch-ensemble`: one linear layer or convolution that several members share."""

from __future__ import annotations

import torch
from torch import nn


def random_signs(*shape: int) -> torch.Tensor:
    """Entries -1 or 1 with equal probability, from torch's global generator."""
    return torch.randint(2, shape).float() * 2 - 1


class MemberLayer(nn.Module):
    """A linear layer or a convolution shared by M members: `y = s_m * layer(r_m * x) + b_m` per row.

    All rows belong to the member `member`. If it is None, row i belongs to member i mod M, as in training.
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d, members: int) -> None:
        super().__init__()
        inputs, outputs = (
            (layer.in_features, layer.out_features)
            if isinstance(layer, nn.Linear)
            else (layer.in_channels, layer.out_channels)
        )
        self.layer = layer
        self.members = members
        self.member: int | None = None
        self.r = nn.Parameter(random_signs(members, inputs))
        self.s = nn.Parameter(random_signs(members, outputs))
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach().repeat(members, 1))
        layer.bias = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's output for `x [n, inputs]` or `[n, channels, H, W]`."""
        member = torch.arange(len(x), device=x.device) % self.members if self.member is None else self.member

        def per_row(factor: torch.Tensor) -> torch.Tensor:
            rows = factor[member].expand(len(x), -1)
            return rows.reshape(*rows.shape, *[1] * (x.ndim - 2))

        y: torch.Tensor = self.layer(x * per_row(self.r)) * per_row(self.s)
        return y if self.bias is None else y + per_row(self.bias)


def member_layers(network: nn.Module) -> list[MemberLayer]:
    """The member layers of a converted network."""
    return [module for module in network.modules() if isinstance(module, MemberLayer)]
