"""`wrn`: wide residual networks (Zagoruyko, Komodakis, BMVC 2016, arXiv 1605.07146).

Names of the weights, all under `body.`: `conv1`, `layer1.0.bn1`, `.conv1`, `.bn2`, `.conv2`, `.shortcut` (where channels
change), and `bn`. The last layer is `head`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench import models
from calibench.errors import InputError
from calibench.lazy import nn
from calibench.models import layers
from calibench.models.networks.parameters import DROPOUT, SCALING
from calibench.plugins.params import Param
from calibench.plugins.specs import ModelSpec

if TYPE_CHECKING:
    from calibench.models.network import Network, Task

SPEC = ModelSpec(
    name="wrn",
    target=f"{__name__}:wrn",
    summary="Wide residual networks of pre-activated blocks, such as WRN-28-10 and WRN-16-4.",
    params=(
        Param("depth", "int", 28, "6n + 4: 10, 16, 22, 28, 34, 40, ...", "layers"),
        Param("width", "int", 10, "factor on the 16, 32 and 64 channels of the three stages", minimum=1),
        DROPOUT,
        *SCALING,
    ),
    paper="S. Zagoruyko, N. Komodakis, BMVC 2016 (arXiv 1605.07146)",
)


def wrn(
    task: Task,
    depth: int,
    width: int,
    dropout: float,
    standardize: bool,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
) -> Network:
    """WRN-depth-width: depth = 6n + 4, three stages of n blocks of 16, 32 and 64 times `width` channels.

    InputError for any other depth, for data that are not images, and for `mean` and `std` that do not fit them.
    """
    if depth < 10 or (depth - 4) % 6:
        message = f"model 'wrn': there is no depth={depth}; it is 6n + 4, n blocks in each of three stages"
        raise InputError(message, "use 10, 16, 22, 28, 34 or 40, or more in steps of 6")
    channels, _, _ = models.image_shape("wrn", task, 4)
    body = layers.WideResNet(
        models.scaling("wrn", task, standardize, mean, std), channels, (depth - 4) // 6, width, dropout
    )
    return models.Network(body, nn.Linear(64 * width, task.num_classes), 64 * width)
