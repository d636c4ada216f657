"""What TST and V-TST share: stage 2 is the core's training loop, run on features, for long enough on small data too."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from calibench.models.training import Schedule, train
from calibench.stages import RefitTask

PAPER_EPOCHS = 40
BATCH = 384
"""The paper gives none for stage 2. On the CIFAR-10 features of docs/evidence.md V-TST ends at 1.2 % ECE15 with batches of
256, at 1.6 % with 384 and at 2.0 % with 512."""

MIN_STEPS = 1500
"""At lr 1e-4 a fresh head is not trained before: on digits 160 steps left V-TST at 17.6 % ECE15."""

MIN_BATCHES = 16
"""Batches an epoch at least, where the batch size is not set: small data needs steps more than it needs large batches."""


@dataclass(frozen=True)
class Stage2:
    """The stage-2 parameters as given; `schedule` puts numbers to what was not set, once the rows are known."""

    epochs: int | None
    lr: float
    batch_size: int | None
    weight_decay: float
    select: str

    def schedule(self, rows: int) -> Schedule:
        """The paper's 40 epochs in batches of 384; smaller batches and more epochs on small data."""
        batch = self.batch_size or min(BATCH, max(rows // MIN_BATCHES, 1))
        steps = math.ceil(rows / batch)
        epochs = self.epochs or max(PAPER_EPOCHS, math.ceil(MIN_STEPS / steps))
        return Schedule(epochs, self.lr, batch, self.weight_decay, self.select)


def refit(
    head: nn.Module,
    task: RefitTask,
    stage_2: Stage2,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    validation_nll: Callable[[], float],
    name: str,
) -> dict[str, float]:
    """Train `head` in place on `task`'s features; `loss(features, labels)` is a batch's mean loss.

    Returns the epoch kept and its validation NLL.
    """
    features, labels = task.train_features, task.train_labels

    def step(rows: torch.Tensor) -> torch.Tensor:
        return loss(features.index_select(0, rows), labels.index_select(0, rows))

    return train(
        head, step, validation_nll, len(labels), stage_2.schedule(len(labels)), task.report, f"stage 2, {name}"
    )
