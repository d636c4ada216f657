"""Out-of-fold probabilities: what networks trained without a training row say about it, for estimating label noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from calibench.cache.results import StageResult, strip_prefix
from calibench.cache.resume import Resume
from calibench.models.network import Network
from calibench.processes import Processes
from calibench.progress import Report
from calibench.seeds import put_back_random, random_state
from calibench.training.augment import Augmentation
from calibench.training.batch import batch_of, shared_loss
from calibench.training.compute import computed
from calibench.training.loop import train
from calibench.training.prediction import mean_nll, predict
from calibench.training.schedule import Schedule

PATIENCE = 5
"""A fold ends after so many epochs without a lower validation NLL: a network that goes on learns the wrong labels too."""

RANDOM = "random."
"""Prefix of where the generators stood when a fold was done."""


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
    new_network: Callable[[], Network],
    train_split: tuple[torch.Tensor, torch.Tensor],
    val_split: tuple[torch.Tensor, torch.Tensor],
    num_classes: int,
    folds: int,
    schedule: Schedule,
    augment: Augmentation,
    report: Report,
    processes: Processes,
    kept: Callable[[int, Callable[[Resume | None], StageResult]], StageResult],
) -> torch.Tensor:
    """Probabilities `[N, K]` float64 of the training rows; each fold's network is trained by cross-entropy on the others.

    The checkpoint of lowest validation NLL is kept. `kept(number, make)` gives what a fold's network said, from the cache or
    made now. Draws from torch's global generator, as if every fold were made now: wrap the call in `seeded`.
    """
    x, y = train_split
    fold = stratified_folds(y, folds)
    probs = torch.zeros(len(y), num_classes, dtype=torch.float64, device=y.device)
    early = replace(schedule, select="best", patience=PATIENCE if schedule.epochs > PATIENCE + 1 else None)

    def make(number: int, resume: Resume | None) -> StageResult:
        network = new_network()
        others = (fold != number).nonzero().squeeze(1)

        def step(rows: torch.Tensor) -> torch.Tensor:
            return shared_loss(
                lambda batch: nn.functional.cross_entropy(network(batch.x), batch.y),
                network,
                batch_of(x, y, others[rows], augment, processes),
                len(rows),
                processes,
            )

        def validate() -> float:
            return mean_nll(predict(network, val_split[0], processes=processes), val_split[1])

        what = f"out-of-fold network {number + 1} of {folds}"
        with computed(network, early, processes):
            figures = train(
                network, step, validate, len(others), early, report, what, resume=resume, processes=processes
            )
        said = predict(network, x[fold == number], processes=processes).double().softmax(dim=1)
        return StageResult({"probs": said} | {f"{RANDOM}{k}": v for k, v in random_state(y.device).items()}, figures)

    for number in range(folds):
        product = kept(number, partial(make, number))
        probs[fold == number] = product.tensors["probs"].to(y.device)
        put_back_random(strip_prefix(product.tensors, RANDOM), y.device)
    return probs
