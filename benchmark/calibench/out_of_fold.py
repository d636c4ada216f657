"""Out-of-fold probabilities: what networks trained without a training row say about it, for estimating label noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from calibench.models.augment import Augmentation
from calibench.models.batch import batch_of, shared_loss
from calibench.models.compute import computed
from calibench.models.network import Network
from calibench.models.schedule import Schedule
from calibench.models.training import mean_nll, predict, train
from calibench.ranks import Ranks
from calibench.stages import Report

PATIENCE = 5
"""A fold ends after so many epochs without a lower validation NLL: a network that goes on learns the wrong labels too."""


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
    ranks: Ranks,
) -> torch.Tensor:
    """Probabilities `[N, K]` float64 of the training rows; each fold's network is trained by cross-entropy on the others.

    The checkpoint of lowest validation NLL is kept. Draws from torch's global generator: wrap the call in `seeded`.
    """
    x, y = train_split
    fold = stratified_folds(y, folds)
    probs = torch.zeros(len(y), num_classes, dtype=torch.float64, device=y.device)
    early = replace(schedule, select="best", patience=PATIENCE if schedule.epochs > PATIENCE else None)
    for number in range(folds):
        network = new_network()
        inside = (fold != number).nonzero().squeeze(1)

        def step(rows: torch.Tensor, network: nn.Module = network, inside: torch.Tensor = inside) -> torch.Tensor:
            return shared_loss(
                lambda batch: nn.functional.cross_entropy(network(batch.x), batch.y),
                network,
                batch_of(x, y, inside[rows], augment, ranks),
                len(rows),
                ranks,
            )

        def validate(network: nn.Module = network) -> float:
            return mean_nll(predict(network, val_split[0], ranks=ranks), val_split[1])

        what = f"out-of-fold network {number + 1} of {folds}"
        with computed(network, early, ranks):
            train(network, step, validate, len(inside), early, report, what, ranks=ranks)
        outside = (fold == number).nonzero().squeeze(1)
        probs[outside] = predict(network, x[outside], ranks=ranks).double().softmax(dim=1)
    return probs
