"""`resnet`: residual networks for small images (He, Zhang, Ren, Sun, CVPR 2016, arXiv 1512.03385).

Names of the weights: `conv1`, `bn1`, `layer1.0.conv1`, `.bn1`, `.conv2`, `.bn2` and so on, and, of depth 18 and 34,
`layer2.0.downsample.0` (convolution) and `.1` (norm); all under `body.`, the last layer is `head`.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from calibench.errors import InputError
from calibench.models.images import AsImage, image_shape, scaling
from calibench.models.network import Network, Task

CIFAR_DEPTHS = (20, 32, 44, 56, 110)
"""Section 4.2 of the paper: 6n + 2 layers in three stages of n blocks, 16, 32 and 64 channels wide."""

IMAGENET_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
"""Table 1 of the paper: blocks in the stages of 64, 128, 256 and 512 channels."""


def _norm(channels: int, folded: bool) -> nn.Module:
    return nn.Identity() if folded else nn.BatchNorm2d(channels)


class BasicBlock(nn.Module):
    """`relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut(x))`, both convolutions 3x3, the first with the stride.

    Where the shape changes the shortcut is option B, a strided 1x1 convolution with its norm, or option A, every
    stride-th pixel with channels of zeros, half of them before and half behind.
    """

    def __init__(self, inside: int, width: int, stride: int, folded: bool, project: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, width, 3, stride, padding=1, bias=folded)
        self.bn1 = _norm(width, folded)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=folded)
        self.bn2 = _norm(width, folded)
        self.stride, self.zeros = stride, (width - inside) // 2
        self.downsample: nn.Module | None = None
        if project and (stride != 1 or inside != width):
            self.downsample = nn.Sequential(nn.Conv2d(inside, width, 1, stride, bias=folded), _norm(width, folded))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[N, width, H / stride, W / stride]`, sizes rounded up."""
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            x = self.downsample(x)
        elif self.stride != 1:
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.zeros, self.zeros))
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
        inside = widths[0]
        self.stages = []
        for number, (width, count) in enumerate(zip(widths, blocks, strict=True), 1):
            stage = nn.Sequential()
            for block in range(count):
                stage.append(BasicBlock(inside, width, 2 if number > 1 and block == 0 else 1, folded, project))
                inside = width
            self.add_module(f"layer{number}", stage)
            self.stages.append(f"layer{number}")
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # He et al., ICCV 2015, as section 3.4 says
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features `[N, widths[-1]]`."""
        x = functional.relu(self.bn1(self.conv1(self.scaling(self.image(x)))))
        for stage in self.stages:
            x = self.get_submodule(stage)(x)
        return x.mean(dim=(2, 3))


def resnet(
    task: Task,
    depth: int,
    norm: str,
    standardize: bool,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
) -> Network:
    """Depth 20 to 110: the CIFAR networks, option A. Depth 18 and 34: the ImageNet ones, option B, stem 3x3 and no pooling.

    InputError for another depth, for data that are not images, and for `mean`, `std` that do not fit them.
    """
    if depth not in CIFAR_DEPTHS and depth not in IMAGENET_BLOCKS:
        known = ", ".join(str(d) for d in sorted((*CIFAR_DEPTHS, *IMAGENET_BLOCKS)))
        raise InputError(f"model 'resnet': there is no depth={depth} here", f"use one of {known}")
    small = depth in CIFAR_DEPTHS
    channels, _, _ = image_shape("resnet", task, 4 if small else 8)
    widths = (16, 32, 64) if small else (64, 128, 256, 512)
    blocks = ((depth - 2) // 6,) * 3 if small else IMAGENET_BLOCKS[depth]
    scale = scaling("resnet", task, standardize, mean, std)
    body = ResNet(scale, channels, widths, blocks, norm == "folded", project=not small)
    return Network(body, nn.Linear(widths[-1], task.num_classes), widths[-1])
