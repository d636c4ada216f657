"""Batches: the rows of one step, augmented, and the part of them that one process trains on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from calibench.processes import Processes
from calibench.stages import Batch
from calibench.training.augment import Augmentation


def batch_of(
    x: torch.Tensor, y: torch.Tensor, rows: torch.Tensor, augment: Augmentation, processes: Processes, views: int = 1
) -> Batch:
    """This process's part of the training rows `rows [n]`, augmented; `views` copies of each row if anything augments.

    Every process draws the augmentation of all n rows, so that all draw alike.
    """
    part = processes.part(len(rows))
    rows_of_part = rows[part]

    def augmented() -> torch.Tensor:
        draws = augment.draw(len(rows))
        return augment(x[rows_of_part], [draws_of_step[part] for draws_of_step in draws])

    images, *more = [augmented() for _ in range(views if augment.steps else 1)]
    return Batch(images, y[rows_of_part], rows_of_part, tuple(more))


def shared_loss(
    loss: Callable[[Batch], torch.Tensor], network: nn.Module, batch: Batch, rows: int, processes: Processes
) -> torch.Tensor:
    """This process's part of the mean loss of `rows` rows. A process whose `batch` is empty still takes part in the sums."""
    return processes.share(lambda: loss(batch), lambda: network(batch.x).sum(), len(batch.rows), rows)
