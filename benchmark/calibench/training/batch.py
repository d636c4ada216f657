"""From the numbers of a batch's rows to what one rank trains on, and to its part of the loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from calibench.processes import Processes
from calibench.stages import Batch
from calibench.training.augment import Augmentation


def batch_of(
    x: torch.Tensor, y: torch.Tensor, rows: torch.Tensor, augment: Augmentation, processes: Processes
) -> Batch:
    """This rank's part of the training rows `rows [n]`, augmented; every rank draws for all n, so that all draw alike."""
    part, drawn = processes.part(len(rows)), augment.draw(len(rows))
    mine = rows[part]
    return Batch(augment(x[mine], [its[part] for its in drawn]), y[mine], mine)


def shared_loss(
    loss: Callable[[Batch], torch.Tensor], network: nn.Module, batch: Batch, rows: int, processes: Processes
) -> torch.Tensor:
    """This rank's part of the mean loss of `rows` rows, of which `batch` has some, or none: then it waits for the others' sums."""
    return processes.share(lambda: loss(batch), lambda: network(batch.x).sum(), len(batch.rows), rows)
