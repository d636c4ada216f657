"""What TST and V-TST share: stage 2 is the core's training loop, run on features."""

from collections.abc import Callable

import torch
from calibench.models.training import Schedule, train
from calibench.stages import RefitTask
from torch import nn


def refit(
    head: nn.Module,
    task: RefitTask,
    schedule: Schedule,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    validation_nll: Callable[[], float],
    name: str,
) -> dict[str, float]:
    """Train `head` in place on `task`'s features; `loss(features, labels)` is a batch's mean loss. Returns the epoch kept and its validation NLL."""
    features, labels = task.train_features, task.train_labels

    def step(rows: torch.Tensor) -> torch.Tensor:
        return loss(features[rows], labels[rows])

    return train(head, step, validation_nll, len(labels), schedule, task.report, f"stage 2, {name}")
