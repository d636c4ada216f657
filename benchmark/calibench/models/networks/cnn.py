"""`cnn`: a small convolutional network for small images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench import models
from calibench.lazy import nn
from calibench.models.networks.parameters import DROPOUT, STANDARDIZE
from calibench.plugins.params import Param
from calibench.plugins.specs import ModelSpec

if TYPE_CHECKING:
    from calibench.models.network import Network, Task

SPEC = ModelSpec(
    name="cnn",
    target=f"{__name__}:cnn",
    summary="Small convolutional network: 3x3 convolutions with batch norm, average-pooled to features.",
    params=(
        Param("width", "int", 32, "channels of the first convolution; the second has twice as many", minimum=1),
        DROPOUT,
        STANDARDIZE,
    ),
)


def cnn(task: Task, width: int, dropout: float, standardize: bool) -> Network:
    """Conv 3x3 (width) - BN - ReLU - max pool 2 - conv 3x3 (2 width) - BN - ReLU - global average pool - dropout - linear head."""
    channels, _, _ = models.image_shape("cnn", task, 2)
    body = nn.Sequential(
        models.AsImage(),
        *([models.scaling("cnn", task, True, None, None)] if standardize else []),
        nn.Conv2d(channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        *([nn.Dropout(dropout)] if dropout else []),
    )
    return models.Network(body, nn.Linear(2 * width, task.num_classes), 2 * width)
