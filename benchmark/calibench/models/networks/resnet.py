"""`resnet`: residual networks for small images (He, Zhang, Ren, Sun, CVPR 2016, arXiv 1512.03385).

Names of the weights, all under `body.`: `conv1`, `bn1`, `layer1.0.conv1`, `.bn1`, `.conv2`, `.bn2` and so on; depth 18 and
34 also have `layer2.0.downsample.0` (convolution) and `.1` (norm). The last layer is `head`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench import models
from calibench.errors import InputError
from calibench.lazy import nn
from calibench.models import layers
from calibench.models.networks.parameters import SCALING
from calibench.plugins.params import Param
from calibench.plugins.specs import ModelSpec

if TYPE_CHECKING:
    from calibench.models.network import Network, Task

CIFAR_DEPTHS = (20, 32, 44, 56, 110)
"""Section 4.2 of the paper: 6n + 2 layers in three stages of n blocks, 16, 32 and 64 channels wide."""

IMAGENET_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
"""Table 1 of the paper: blocks in the stages of 64, 128, 256 and 512 channels."""


SPEC = ModelSpec(
    name="resnet",
    target=f"{__name__}:resnet",
    summary="Residual networks for small images: the CIFAR depths 20 to 110, and 18 and 34 with a 3x3 stem.",
    params=(
        Param("depth", "int", 20, "20, 32, 44, 56, 110 (16 to 64 channels) or 18, 34 (64 to 512)", "layers"),
        Param(
            "norm",
            "str",
            "batch",
            "batch: batch norm after each convolution; folded: none, the convolutions' weights and biases contain it",
            choices=("batch", "folded"),
        ),
        *SCALING,
    ),
    paper="K. He, X. Zhang, S. Ren, J. Sun, CVPR 2016 (arXiv 1512.03385), section 4.2 and table 1",
    deviations=("depth 18 and 34 are for small images: the stem is one 3x3 convolution of stride 1, without pooling",),
)


def resnet(
    task: Task,
    depth: int,
    norm: str,
    standardize: bool,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
) -> Network:
    """Depth 20 to 110: the CIFAR networks, option A. Depth 18 and 34: the ImageNet ones, option B, stem 3x3 and no pooling.

    InputError for any other depth, for data that are not images, and for `mean` and `std` that do not fit them.
    """
    if depth not in CIFAR_DEPTHS and depth not in IMAGENET_BLOCKS:
        depths = ", ".join(str(d) for d in sorted((*CIFAR_DEPTHS, *IMAGENET_BLOCKS)))
        raise InputError(f"model 'resnet': there is no depth={depth} here", f"use one of {depths}")
    small = depth in CIFAR_DEPTHS
    channels, _, _ = models.image_shape("resnet", task, 4 if small else 8)
    widths = (16, 32, 64) if small else (64, 128, 256, 512)
    blocks = ((depth - 2) // 6,) * 3 if small else IMAGENET_BLOCKS[depth]
    scale = models.scaling("resnet", task, standardize, mean, std)
    body = layers.ResNet(scale, channels, widths, blocks, norm == "folded", project=not small)
    return models.Network(body, nn.Linear(widths[-1], task.num_classes), widths[-1])
