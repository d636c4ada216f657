"""A plugin of the tests: the model `watched` notes every batch of its inputs, the objective `pair` the logits of two networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from calibench import MethodSpec, ModelSpec, Network, Objective, hookimpl
from calibench.models.network import Task
from calibench.seeds import seeded
from calibench.stages import Batch, TrainTask


class Pass(NamedTuple):
    """One pass of the body: whether it was in training mode, its inputs, and the type that its layer computed in."""

    training: bool
    x: torch.Tensor
    computed_in: torch.dtype


class Watch:
    """The batches and logits that the model and the objective have seen since `clear`."""

    def __init__(self) -> None:
        self.passes: list[Pass] = []
        self.logits: set[tuple[torch.dtype, bool]] = set()
        """Type of the logits that a loss was computed from, and whether autocast was on."""

    def clear(self) -> None:
        self.passes.clear()
        self.logits.clear()

    def rows(self, *, training: bool) -> torch.Tensor:
        """The inputs of all passes in training mode, or of all others."""
        return torch.cat([one.x for one in self.passes if one.training == training])

    def types(self, *, training: bool) -> set[torch.dtype]:
        """The types that passes in training mode computed in, or all others."""
        return {one.computed_in for one in self.passes if one.training == training}


watch = Watch()


@hookimpl
def calibench_models() -> list[ModelSpec]:
    return [ModelSpec(name="watched", target=f"{__name__}:watched", summary="A test.")]


@hookimpl
def calibench_methods() -> list[MethodSpec]:
    return [MethodSpec(name="pair", kind="objective", target=f"{__name__}:Pair", summary="A test.")]


class WatchedBody(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.layer = nn.Linear(size, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.layer(x.flatten(1))
        watch.passes.append(Pass(self.training, x.clone(), features.dtype))
        return features.relu()


def watched(task: Task) -> Network:
    return Network(WatchedBody(task.input_size), nn.Linear(8, task.num_classes), 8)


class Pair(Objective):
    """Cross-entropy of the network and of a companion."""

    learned = ("companion",)

    def prepare(self, task: TrainTask) -> None:
        with seeded(1):
            self.companion = task.new_network()

    def companions(self) -> Sequence[nn.Module]:
        return (self.companion,)

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        watch.logits.add((logits.dtype, torch.is_autocast_enabled("cpu")))
        return nn.functional.cross_entropy(logits, batch.y)

    def step(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        return self.loss(network(batch.x), batch) + self.loss(self.companion(batch.x), batch)
