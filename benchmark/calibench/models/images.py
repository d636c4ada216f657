"""Parts that image networks share: the check that rows are images, and the scaling of inputs before the first layer."""

from __future__ import annotations

import torch
from torch import nn

from calibench.data.images import image_rows
from calibench.errors import InputError
from calibench.models.network import Standardize, Task


class AsImage(nn.Module):
    """`[N, H, W]` becomes `[N, 1, H, W]`; `[N, C, H, W]` stays."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images with their channel axis."""
        return x.unsqueeze(1) if x.ndim == 3 else x


class FixedScale(nn.Module):
    """`(x - mean) / std` by channel; the user sets `mean` and `std`, so no checkpoint holds them."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        return (x - self.mean) / self.std


def channels_of(task: Task) -> int:
    """The number of channels of the data's images `[C, H, W]` or `[H, W]`."""
    return 1 if len(task.input_shape) == 2 else task.input_shape[0]


def image_shape(name: str, task: Task, smallest: int) -> tuple[int, int, int]:
    """Channels, height and width of the data's rows; InputError unless they are images of at least `smallest` pixels a side."""
    shape = image_rows(f"model {name!r} needs", task.input_shape, "use mlp")
    if min(shape[1:]) < smallest:
        message = f"model {name!r} needs images of at least {smallest} x {smallest}, not {list(task.input_shape)}"
        raise InputError(message, "use mlp")
    return shape


def scaling(
    name: str, task: Task, standardize: bool, mean: tuple[float, ...] | None, std: tuple[float, ...] | None
) -> nn.Module:
    """The first layer, for inputs `[N, C, H, W]`: fixed `mean` and `std`, else training statistics, else the identity."""
    channels = channels_of(task)
    if mean is None and std is None:
        images = task.train_x.reshape(len(task.train_x), channels, *task.input_shape[-2:])
        return Standardize(images) if standardize else nn.Identity()
    if mean is None or std is None or not standardize:
        contradiction = "standardize=false and mean, std contradict each other"
        problem = "one of mean, std is missing" if standardize else contradiction
        raise InputError(f"model {name!r}: {problem}", "give mean and std together, one number a channel, or neither")
    for key, numbers in (("mean", mean), ("std", std)):
        if len(numbers) != channels:
            message = f"model {name!r}: {key} has {len(numbers)} numbers, the images have {channels} channels"
            raise InputError(message, f"join one number a channel by ';', as in {key}=123.7;116.3;103.5")
    return FixedScale(mean, std)
