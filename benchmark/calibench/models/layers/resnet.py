"""Residual networks."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from calibench.models.images import AsImage


def _norm(channels: int, folded: bool) -> nn.Module:
    return nn.Identity() if folded else nn.BatchNorm2d(channels)


class BasicBlock(nn.Module):
    """`relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x))`, both convolutions 3x3, the first with the stride.

    If the shape changes, the shortcut is option B, a strided 1x1 convolution with its norm, or option A, every
    stride-th pixel with channels of zeros added, half of them before and half behind.
    """

    def __init__(self, channels: int, width: int, stride: int, folded: bool, project: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, padding=1, bias=folded)
        self.bn1 = _norm(width, folded)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=folded)
        self.bn2 = _norm(width, folded)
        self.stride = stride
        self.downsample: nn.Module | None = None
        if project and (stride != 1 or channels != width):
            self.downsample = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=folded), _norm(width, folded))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[N, width, H / stride, W / stride]`, sizes rounded up."""
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            x = self.downsample(x)
        elif self.stride != 1:
            zeros = (
                out.shape[1] - x.shape[1]
            )  # not from the widths at first: a sampler may have made the block narrower
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, zeros // 2, zeros - zeros // 2))
        return functional.relu(out + x)


class ResNet(nn.Module):
    """Scaling - conv 3x3 - norm - ReLU - stages of basic blocks, stride 2 between stages - global average: `[N, width]`."""

    def __init__(
        self,
        scale: nn.Module,
        channels: int,
        widths: tuple[int, ...],
        blocks: tuple[int, ...],
        folded: bool,
        project: bool,
    ) -> None:
        super().__init__()
        self.image, self.scaling = AsImage(), scale
        self.conv1 = nn.Conv2d(channels, widths[0], 3, padding=1, bias=folded)
        self.bn1 = _norm(widths[0], folded)
        channels = widths[0]
        self.stages = []
        for number, (width, count) in enumerate(zip(widths, blocks, strict=True), 1):
            stage = nn.Sequential()
            for block in range(count):
                stride = 2 if number > 1 and block == 0 else 1
                stage.append(BasicBlock(channels, width, stride, folded, project))
                channels = width
            self.add_module(f"layer{number}", stage)
            self.stages.append(f"layer{number}")
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # He et al., ICCV 2015, as section 3.4 of the paper says
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features `[N, widths[-1]]`."""
        x = functional.relu(self.bn1(self.conv1(self.scaling(self.image(x)))))
        for stage in self.stages:
            x = self.get_submodule(stage)(x)
        return x.mean(dim=(2, 3))
