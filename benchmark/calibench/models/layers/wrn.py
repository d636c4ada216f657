"""Wide residual networks."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from calibench.models.images import AsImage


class WideBlock(nn.Module):
    """BN - ReLU - conv 3x3 - BN - ReLU - dropout - conv 3x3, plus the shortcut: B(3, 3) of the paper, pre-activated.

    If the number of channels changes, the shortcut is a strided 1x1 convolution of the first ReLU's output, else the input.
    """

    def __init__(self, channels: int, width: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(channels, width, 1, stride, bias=False) if channels != width else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[N, width, H / stride, W / stride]`."""
        active = functional.relu(self.bn1(x))
        if self.shortcut is not None:
            x = self.shortcut(active)
        out = self.dropout(functional.relu(self.bn2(self.conv1(active))))
        summed: torch.Tensor = x + self.conv2(out)
        return summed


class WideResNet(nn.Module):
    """Scaling - conv 3x3 (16) - three stages, stride 2 before the second and third - BN - ReLU - global average."""

    def __init__(self, scale: nn.Module, channels: int, blocks: int, width: int, dropout: float) -> None:
        super().__init__()
        self.image, self.scaling = AsImage(), scale
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.layer1 = self._stage(16, 16 * width, blocks, 1, dropout)
        self.layer2 = self._stage(16 * width, 32 * width, blocks, 2, dropout)
        self.layer3 = self._stage(32 * width, 64 * width, blocks, 2, dropout)
        self.bn = nn.BatchNorm2d(64 * width)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @staticmethod
    def _stage(channels: int, width: int, blocks: int, stride: int, dropout: float) -> nn.Sequential:
        rest = [WideBlock(width, width, 1, dropout) for _ in range(blocks - 1)]
        return nn.Sequential(WideBlock(channels, width, stride, dropout), *rest)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features `[N, 64 width]`."""
        x = self.conv1(self.scaling(self.image(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return functional.relu(self.bn(x)).mean(dim=(2, 3))
