"""Small torch modules for digits `[N, 64]`, as a user would write them: one sound, the others wrong in one way each."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class Hidden(nn.Module):
    """A sound network: it creates its head first, and a log-softmax follows the head."""

    def __init__(self, width: int = 24, classes: int = 10) -> None:
        super().__init__()
        self.fc = nn.Linear(width, classes)
        self.inner = nn.Sequential(nn.Linear(64, width), nn.BatchNorm1d(width), nn.ReLU())
        self.drop = nn.Dropout(0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.log_softmax(self.fc(self.drop(self.inner(x))), dim=1)


class _OneLayer(nn.Module):
    def __init__(self, outputs: int = 10) -> None:
        super().__init__()
        self.fc = nn.Linear(64, outputs)


class ScalesItsLogits(_OneLayer):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x) / 2


class DropsInEvalMode(_OneLayer):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(functional.dropout(x, 0.5))


class RunsItsHeadTwice(_OneLayer):
    def __init__(self) -> None:
        super().__init__(64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.fc(x))[:, :10]


class ReadsItsHeadsWeight(_OneLayer):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x.to(self.fc.weight.dtype))


class ReturnsAPair(_OneLayer):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.fc(x), x


def with_nan() -> nn.Module:
    module = nn.Linear(64, 10)
    module.weight.data[0, 0] = torch.nan
    return module


def frozen() -> nn.Module:
    return nn.Linear(64, 10).requires_grad_(False)


def without_linear_layer() -> nn.Module:
    return nn.Sequential(nn.Unflatten(1, (64, 1)), nn.Conv1d(64, 10, 1), nn.Flatten())


def impossible_to_copy() -> nn.Module:
    module = nn.Sequential(nn.Linear(64, 10))
    module.numbers = (number for number in range(3))
    return module


def always(module: nn.Module) -> object:
    """A function that returns the same module each time."""
    return lambda task: module


def with_weights_from_numpy(task: object) -> nn.Module:
    module = nn.Linear(64, 10)
    module.weight.data += float(np.random.default_rng().normal())
    return module


def class_without_file() -> type[nn.Module]:
    """A class as in a notebook: its source is in no file."""
    names: dict[str, object] = {"nn": nn, "__name__": "nowhere"}
    exec(
        "class Typed(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.fc = nn.Linear(64, 10)\n"
        "    def forward(self, x):\n"
        "        return self.fc(x)\n",
        names,
    )
    return names["Typed"]  # type: ignore[return-value]
