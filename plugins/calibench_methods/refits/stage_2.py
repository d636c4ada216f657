"""What TST and V-TST share: stage 2 is the core's training loop, run on features, for long enough on small data too."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calibench import InputError, training
from calibench.lazy import nn, torch
from calibench.stages import RefitTask
from calibench_methods.refits.views import check_images, random_views

if TYPE_CHECKING:
    from calibench import Network

PAPER_EPOCHS = 40
BATCH = 384
"""The paper gives none for stage 2. On the CIFAR-10 features of docs/evidence/recipes.md V-TST ends at 1.2 % ECE15 with batches of
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
    views: int = 1
    shift: int | None = None
    flip: bool = False

    def check(self, name: str, network: Network, input_shape: tuple[int, ...]) -> None:
        """InputError for views of what is no image, and for what says how views are made where there is one alone."""
        if self.views == 1:
            idle = "shift" if self.shift is not None else "flip" if self.flip else None
            if idle is not None:
                raise InputError(f"{name}: {idle} would do nothing with views=1", f"add views=4, as in {name}:views=4")
            return
        if network.pretrained and not network.has_body:
            raise InputError(f"{name}: views need a body to see them, and the model has none", "leave the views out")
        check_images(name, input_shape, self.shift, self.flip)

    def features(self, task: RefitTask) -> torch.Tensor:
        """Features of the training rows in every view, `[views, N, D]`; the first are the rows themselves."""
        first = task.train_features[None]
        if self.views == 1 or task.augmented is None:
            return first
        height = task.input_shape[-2]
        views = random_views(self.views - 1, self.shift, self.flip, height)
        return torch.cat([first, *(task.augmented(view)[None] for view in views)])

    def schedule(self, rows: int) -> training.Schedule:
        """The paper's 40 epochs in batches of 384; smaller batches and more epochs on small data."""
        batch = self.batch_size or min(BATCH, max(rows // MIN_BATCHES, 1))
        steps = math.ceil(rows / batch)
        epochs = self.epochs or max(PAPER_EPOCHS, math.ceil(MIN_STEPS / steps))
        return training.Schedule(epochs, self.lr, batch, self.weight_decay, self.select)


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
    views, labels = stage_2.features(task), task.train_labels
    features = views.flatten(0, 1)

    def step(rows: torch.Tensor) -> torch.Tensor:
        seen = rows
        if len(views) > 1:  # a view for each row, drawn anew
            seen = rows + len(labels) * torch.randint(len(views), rows.shape).to(rows.device)
        return loss(features.index_select(0, seen), labels.index_select(0, rows))

    schedule = stage_2.schedule(len(labels))
    return training.train(
        head, step, validation_nll, len(labels), schedule, task.report, f"stage 2, {name}", resume=task.resume
    )
