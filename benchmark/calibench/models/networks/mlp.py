"""`mlp`: a fully connected network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench import models
from calibench.lazy import nn
from calibench.models.networks.parameters import DROPOUT, STANDARDIZE
from calibench.plugins.params import Param
from calibench.plugins.specs import ModelSpec

if TYPE_CHECKING:
    from calibench.models.network import Network, Task

ACTIVATIONS = {"relu": "ReLU", "tanh": "Tanh", "sigmoid": "Sigmoid", "gelu": "GELU"}
"""Names of classes in `torch.nn`."""

SPEC = ModelSpec(
    name="mlp",
    target=f"{__name__}:mlp",
    summary="Fully connected network on flattened input; the features are the last hidden layer.",
    default=True,
    params=(
        Param("hidden", "ints", (128, 64), "sizes of the hidden layers", "units", minimum=1),
        Param("activation", "str", "relu", "function after each hidden layer", choices=tuple(ACTIVATIONS)),
        DROPOUT,
        STANDARDIZE,
    ),
)


def mlp(task: Task, hidden: tuple[int, ...], activation: str, dropout: float, standardize: bool) -> Network:
    """Flatten - (Linear - activation - dropout) for each size in `hidden`, then a linear head; features `[N, hidden[-1]]`."""
    layers: list[nn.Module] = [models.Standardize(task.train_x)] if standardize else []
    layers.append(nn.Flatten())
    size = task.input_size
    for width in hidden:
        layers += [nn.Linear(size, width), getattr(nn, ACTIVATIONS[activation])()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        size = width
    return models.Network(nn.Sequential(*layers), nn.Linear(size, task.num_classes), size)
