"""The layer of `packed`: the narrow layers of all members in the place of one wide layer."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn

PACKED = (nn.Linear, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d)
"""The layers with weights that can be packed; `nn.Linear` alone has no subclass here."""


class PackedLayer(nn.Module):
    """M narrow layers side by side, one a member: what one grouped layer with M groups computes.

    All rows belong to the member `member`. If it is None, row i belongs to member i mod M.
    """

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.member: int | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The output of each row's member for `x [n, ...]`, which has the width of one member."""
        if self.member is not None:
            alone: torch.Tensor = self.layers[self.member](x)
            return alone
        members = len(self.layers)
        parts = [layer(x[m::members]) for m, layer in enumerate(self.layers) if m < len(x)]
        result: torch.Tensor = parts[0].new_empty(len(x), *parts[0].shape[1:])
        for m, part in enumerate(parts):
            result[m::members] = part
        return result


def narrow(layer: nn.Module, share: float, whole_in: bool = False, whole_out: bool = False) -> nn.Module:
    """A fresh layer of `ceil(share width)` inputs and outputs; `whole_in` and `whole_out` keep a side's width.

    Weights get the spread of the wide layer's, times sqrt(inputs / fewer inputs), so that outputs keep their size. A batch
    norm is as at its start. Every call draws anew.
    """
    fresh = copy.deepcopy(layer)
    if isinstance(fresh, nn.BatchNorm1d | nn.BatchNorm2d):
        return type(fresh)(
            math.ceil(share * fresh.num_features),
            fresh.eps,
            fresh.momentum,
            fresh.affine,
            fresh.track_running_stats,
        )
    assert isinstance(fresh, nn.Linear | nn.Conv2d)
    wide_outputs, wide_inputs = fresh.weight.shape[:2]
    inputs = wide_inputs if whole_in else math.ceil(share * wide_inputs)
    outputs = wide_outputs if whole_out else math.ceil(share * wide_outputs)
    if isinstance(fresh, nn.Linear):
        fresh.in_features, fresh.out_features = inputs, outputs
    else:
        fresh.in_channels, fresh.out_channels = inputs, outputs
    growth = math.sqrt(wide_inputs / inputs)
    with torch.no_grad():
        kernel = fresh.weight.shape[2:]
        spread = float(fresh.weight.std()) * growth if fresh.weight.numel() > 1 else 1.0
        fresh.weight = nn.Parameter(torch.empty(outputs, inputs, *kernel).uniform_(-1, 1) * math.sqrt(3) * spread)
        if fresh.bias is not None:
            limit = float(fresh.bias.abs().max()) * growth
            fresh.bias = nn.Parameter(torch.empty(outputs).uniform_(-1, 1) * limit)
    return fresh


def packed_layers(network: nn.Module) -> list[PackedLayer]:
    """The packed layers of a converted network."""
    return [module for module in network.modules() if isinstance(module, PackedLayer)]
