"""`cnn`: a small convolutional network for small images."""

from __future__ import annotations

import torch
from torch import nn

from calibench.errors import InputError
from calibench.models.network import Network, Standardize, Task


class _AsImage(nn.Module):
    """`[N, H, W]` becomes `[N, 1, H, W]`; `[N, C, H, W]` stays."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.unsqueeze(1) if x.ndim == 3 else x


def cnn(task: Task, width: int, dropout: float, standardize: bool) -> Network:
    """Conv 3x3 (width) - BN - ReLU - max pool 2 - conv 3x3 (2 width) - BN - ReLU - global average pool - dropout - linear head."""
    if len(task.input_shape) not in {2, 3}:
        shape = list(task.input_shape)
        raise InputError(f"model 'cnn' needs images [C, H, W] or [H, W], the data has rows of shape {shape}", "use mlp")
    channels = 1 if len(task.input_shape) == 2 else task.input_shape[0]
    if min(task.input_shape[-2:]) < 2:
        raise InputError(f"model 'cnn' needs images of at least 2 x 2, not {list(task.input_shape)}", "use mlp")
    image = task.train_x.reshape(len(task.train_x), channels, *task.input_shape[-2:])
    body = nn.Sequential(
        _AsImage(),
        *([Standardize(image)] if standardize else []),
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
