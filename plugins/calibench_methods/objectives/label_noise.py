"""What the noise-aware objectives share: the rate as the user states it or as out-of-fold probabilities tell it."""

from __future__ import annotations

import math
from typing import Any

from calibench import InputError
from calibench.errors import RunError
from calibench.lazy import torch
from calibench.stages import TrainTask

FOLDS = 4
"""Networks that make the out-of-fold probabilities where the user names no number, as in Northcutt et al. 2021."""

ESTIMATE = "estimate"

FEWEST = 100
"""Anchors are not narrowed below so many rows: the standard error of a rate of 0.3 is then 0.046 already."""


class NoiseRate:
    """`rate` of an objective: a share of wrong labels in [0, (K-1)/K), or `estimate`; `folds` only with the latter."""

    def __init__(self, method: str, rate: str, folds: int | None) -> None:
        self.method = method
        self.value = None if rate == ESTIMATE else stated_rate(method, rate)
        if self.value is not None and folds is not None:
            message = f"{method}: folds={folds} would do nothing, rate={rate} is not estimated"
            raise InputError(message, "drop one")
        self.folds = 0 if self.value is not None else folds or FOLDS
        self.found: dict[str, Any] = {}

    def check(self, num_classes: int) -> None:
        """InputError for a rate at which labels say nothing of the class, or the contrary."""
        if self.value is not None:
            check_rate(self.method, self.value, num_classes)

    def settle(self, task: TrainTask) -> float:
        """The rate, estimated now if it is to be; RunError where the estimate leaves nothing to learn."""
        if self.value is not None:
            return self.value
        assert task.out_of_fold is not None
        rate = wrong_share(anchors(task.out_of_fold, task.labels), task.labels)
        if rate >= (task.num_classes - 1) / task.num_classes:
            message = f"{self.method}: the estimated noise rate is {rate:.3f}, so the labels are no better than chance"
            raise RunError(message, "state rate=... if you know better")
        self.found = {"rate": rate}
        return rate


def stated_rate(method: str, text: str) -> float:
    """The number that `rate=text` means; InputError when it is none."""
    try:
        rate = float(text) + 0.0
    except ValueError:
        rate = math.nan
    if not 0 <= rate < 1:
        raise InputError(
            f"{method}: rate={text} is no share of labels, nor the word {ESTIMATE}", f"write {method}:rate=0.3"
        )
    return rate


def check_rate(method: str, rate: float, num_classes: int) -> None:
    """InputError for a symmetric rate of (K-1)/K or more, where a label is no likelier to be right than any other."""
    if rate >= (num_classes - 1) / num_classes:
        message = f"{method}: rate={rate:g} is not below (K-1)/K = {(num_classes - 1) / num_classes:.4g}, where labels are chance"
        raise InputError(message, "rate is the share of labels that are wrong; lower it")


def anchors(probs: torch.Tensor, labels: torch.Tensor) -> list[torch.Tensor]:
    """For each class, the rows that are surely of it, the surest first; out-of-fold `probs [N, K]`, noisy `labels [N]`.

    Out of fold a network knows nothing of a row's own label, so where the predicted class is right the two differ by
    noise alone; where it is wrong, its errors add to that. So the rows of each predicted class are halved, the larger
    p_k kept, for as long as the share that differ falls by more than its standard error: what falls were errors.
    A class that no row is predicted as has no anchors.
    """
    answer = probs.argmax(dim=1)
    ranked = [(answer == k).nonzero().squeeze(1) for k in range(probs.shape[1])]
    ranked = [rows[probs[rows, k].argsort(descending=True, stable=True)] for k, rows in enumerate(ranked)]
    rate = wrong_share(ranked, labels)
    while True:
        half = [rows[: (len(rows) + 1) // 2] for rows in ranked]
        count, halved = sum(map(len, half)), wrong_share(half, labels)
        if count < FEWEST or halved + math.sqrt(halved * (1 - halved) / count) >= rate:
            return ranked
        ranked, rate = half, halved


def wrong_share(ranked: list[torch.Tensor], labels: torch.Tensor) -> float:
    """The share of labels that are not k among the rows `ranked[k]`, over all k."""
    return float(torch.cat([labels[rows] != k for k, rows in enumerate(ranked)]).double().mean())
