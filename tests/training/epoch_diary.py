"""A plugin of the tests: the objective `diary`, cross-entropy that notes every epoch that it is told of."""

from __future__ import annotations

import torch
from torch import nn

from calibench import MethodSpec, Objective, hookimpl
from calibench.stages import Batch

epochs_begun: list[int] = []
"""The epochs that began, of every training since the list was cleared."""


@hookimpl
def calibench_methods() -> list[MethodSpec]:
    return [MethodSpec(name="diary", kind="objective", target=f"{__name__}:Diary", summary="A test.")]


class Diary(Objective):
    def begin_epoch(self, epoch: int) -> None:
        epochs_begun.append(epoch)

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        return nn.functional.cross_entropy(logits, batch.y)
