"""Out-of-fold probabilities: those of networks trained without a training row, for estimating label noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import nn

from calibench.cache.results import StageResult, strip_prefix
from calibench.cache.resume import Resume
from calibench.models.network import Network
from calibench.processes import Processes
from calibench.progress import Report
from calibench.seeds import random_state, restore_random_state
from calibench.training.augment import Augmentation
from calibench.training.batch import batch_of, shared_loss
from calibench.training.compute import compute_settings
from calibench.training.loop import train
from calibench.training.prediction import mean_nll, predict
from calibench.training.schedule import Schedule

PATIENCE = 5
"""A fold ends after so many epochs without a lower validation NLL: a network that trains on learns the wrong labels too."""

RANDOM = "random."
"""Prefix of the states of the random generators after a fold."""

Split = tuple[torch.Tensor, torch.Tensor]
"""Rows `[n, ...]` and labels `[n]`."""

Keep = Callable[[int, Callable[[Resume | None], StageResult]], StageResult]
"""`keep(number, make)` is the result of fold `number`, from the cache or by `make(resume)`."""


@dataclass(frozen=True)
class Folds:
    """The training rows, dealt out to `count` folds, with the validation rows that end each training."""

    count: int
    train: Split
    val: Split
    num_classes: int


def stratified_folds(labels: torch.Tensor, folds: int) -> torch.Tensor:
    """A fold 0 .. folds - 1 for each of `labels [N]`: each class is dealt out in turn, in random order.

    Draws from torch's global generator.
    """
    order = torch.randperm(len(labels), device=labels.device)
    dealt = order[labels[order].argsort(stable=True)]  # class by class, shuffled within
    fold = torch.empty_like(labels)
    fold[dealt] = torch.arange(len(labels), device=labels.device) % folds
    return fold


def out_of_fold(
    folds: Folds,
    new_network: Callable[[], Network],
    schedule: Schedule,
    augment: Augmentation,
    report: Report,
    processes: Processes,
    keep: Keep,
) -> torch.Tensor:
    """Probabilities `[N, K]` float64 of the training rows, each by a network trained with cross-entropy on the other folds.

    The checkpoint of lowest validation NLL is kept. Draws from torch's global generator as if every fold were trained now,
    also for folds from the cache: wrap the call in `seeded`.
    """
    x, y = folds.train
    fold = stratified_folds(y, folds.count)
    probs = torch.zeros(len(y), folds.num_classes, dtype=torch.float64, device=y.device)
    patience = PATIENCE if schedule.epochs > PATIENCE + 1 else None
    schedule = replace(schedule, select="best", patience=patience, patience_share=0.0)

    def make(number: int, resume: Resume | None) -> StageResult:
        network = new_network()
        train_rows = (fold != number).nonzero().squeeze(1)

        def step(rows: torch.Tensor) -> torch.Tensor:
            return shared_loss(
                lambda batch: nn.functional.cross_entropy(network(batch.x), batch.y),
                network,
                batch_of(x, y, train_rows[rows], augment, processes),
                len(rows),
                processes,
            )

        def validate() -> float:
            return mean_nll(predict(network, folds.val[0], processes=processes), folds.val[1])

        training_name = f"out-of-fold network {number + 1} of {folds.count}"
        with compute_settings(network, schedule, processes):
            figures = train(
                network,
                step,
                validate,
                len(train_rows),
                schedule,
                report,
                training_name,
                resume=resume,
                processes=processes,
            )
        probs_of_fold = predict(network, x[fold == number], processes=processes).double().softmax(dim=1)
        state = {f"{RANDOM}{name}": tensor for name, tensor in random_state(y.device).items()}
        return StageResult({"probs": probs_of_fold} | state, figures)

    for number in range(folds.count):
        result = keep(number, partial(make, number))
        probs[fold == number] = result.tensors["probs"].to(y.device)
        restore_random_state(strip_prefix(result.tensors, RANDOM), y.device)
    return probs
