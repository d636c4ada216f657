"""`mlp`: a fully connected network."""

from __future__ import annotations

from torch import nn

from calibench.models.network import Network, Standardize, Task

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "gelu": nn.GELU}


def mlp(task: Task, hidden: tuple[int, ...], activation: str, dropout: float, standardize: bool) -> Network:
    """Flatten - (Linear - activation - dropout) for each size in `hidden`, then a linear head; features `[N, hidden[-1]]`."""
    layers: list[nn.Module] = [Standardize(task.train_x)] if standardize else []
    layers.append(nn.Flatten())
    size = task.input_size
    for width in hidden:
        layers += [nn.Linear(size, width), ACTIVATIONS[activation]()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        size = width
    return Network(nn.Sequential(*layers), nn.Linear(size, task.num_classes), size)
