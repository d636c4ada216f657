"""`cnn`: a small convolutional network for small images."""

from __future__ import annotations

from torch import nn

from calibench.models.images import AsImage, image_shape, scaling
from calibench.models.network import Network, Task


def cnn(task: Task, width: int, dropout: float, standardize: bool) -> Network:
    """Conv 3x3 (width) - BN - ReLU - max pool 2 - conv 3x3 (2 width) - BN - ReLU - global average pool - dropout - linear head."""
    channels, _, _ = image_shape("cnn", task, 2)
    body = nn.Sequential(
        AsImage(),
        *([scaling("cnn", task, True, None, None)] if standardize else []),
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
    return Network(body, nn.Linear(2 * width, task.num_classes), 2 * width)
