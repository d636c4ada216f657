"""The noise rate of the noise-aware objectives: the user's, or an estimate from out-of-fold probabilities."""

from __future__ import annotations

import math
from typing import Any

from calibench import InputError
from calibench.errors import RunError
from calibench.lazy import torch
from calibench.stages import TrainTask
from calibench_methods.objectives.log_probability import label_log_probs

DEFAULT_FOLDS = 4
"""Number of networks for the out-of-fold probabilities unless the user sets it, as in Northcutt et al. 2021."""

ESTIMATE = "estimate"

MIN_ANCHORS = 100
"""Anchors are never narrowed below this many rows: with 100, the standard error of a rate of 0.3 is already 0.046."""


class NoiseRate:
    """The parameters `rate`, a share of wrong labels in [0, (K-1)/K) or `estimate`, and `folds`, for an estimate only."""

    def __init__(self, method: str, rate: str, folds: int | None) -> None:
        self.method = method
        self.value = None if rate == ESTIMATE else read_rate(method, rate)
        if self.value is not None and folds is not None:
            message = f"{method}: folds={folds} would do nothing, because rate={rate} is not estimated"
            raise InputError(message, "drop one of them")
        self.folds = 0 if self.value is not None else folds or DEFAULT_FOLDS
        self.figures: dict[str, Any] = {}

    def check(self, num_classes: int) -> None:
        """InputError for a rate at which the labels tell nothing about the class, or the opposite."""
        if self.value is not None:
            check_rate(self.method, self.value, num_classes)

    def rate_for(self, task: TrainTask) -> float:
        """The user's rate, or its estimate from the task, which `figures` then holds; RunError if labels are chance."""
        if self.value is not None:
            return self.value
        assert task.out_of_fold is not None
        rate = wrong_share(anchors(task.out_of_fold, task.labels), task.labels)
        if rate >= (task.num_classes - 1) / task.num_classes:
            message = f"{self.method}: the estimated noise rate is {rate:.3f}, so the labels are no better than chance"
            raise RunError(message, "state rate=... if you know it")
        self.figures = {"rate": rate}
        return rate


def noisy_label_nll(logits: torch.Tensor, labels: torch.Tensor, rate: float) -> torch.Tensor:
    """`-log((1 - e) p_y + e / K)`, mean, with `e = rate K / (K - 1)`: the NLL of labels of which a share `rate` is uniformly wrong.

    Summed in the log domain, so that no p_y underflows.
    """
    num_classes = logits.shape[1]
    uniform = rate * num_classes / (num_classes - 1)
    log_by_chance = math.log(uniform / num_classes) if uniform else -math.inf
    log_kept = label_log_probs(logits, labels) + math.log1p(-uniform)
    return -torch.logaddexp(log_kept, log_kept.new_tensor(log_by_chance)).mean()


def read_rate(method: str, text: str) -> float:
    """The number in `rate=text`; InputError if it is not a number in [0, 1)."""
    try:
        rate = float(text) + 0.0
    except ValueError:
        rate = math.nan
    if not 0 <= rate < 1:
        message = f"{method}: rate={text} is neither a share of labels nor the word {ESTIMATE}"
        raise InputError(message, f"write a share, as in {method}:rate=0.3")
    return rate


def check_rate(method: str, rate: float, num_classes: int) -> None:
    """InputError for a symmetric rate of (K-1)/K or more: no label is then likelier to be right than another."""
    chance = (num_classes - 1) / num_classes
    if rate >= chance:
        message = f"{method}: rate={rate:g} is not below (K-1)/K = {chance:.4g}, where labels are chance"
        raise InputError(message, "lower rate, which is the share of labels that are wrong")


def anchors(probs: torch.Tensor, labels: torch.Tensor) -> list[torch.Tensor]:
    """For each class, the rows that most confidently belong to it, most confident first.

    Takes out-of-fold `probs [N, K]` and noisy `labels [N]`. Returns row indices; none for a class that is never predicted.

    An out-of-fold prediction does not depend on the row's own label. So where the predicted class is right, it differs from
    the label only by noise; where it is wrong, the network's errors add to that. The rows of each predicted class are
    therefore halved, keeping the larger p_k, as long as the share of rows that differ falls by more than its standard
    error: such a fall comes from errors of the network.
    """
    predicted = probs.argmax(dim=1)
    by_class = [(predicted == k).nonzero().squeeze(1) for k in range(probs.shape[1])]
    by_class = [rows[probs[rows, k].argsort(descending=True, stable=True)] for k, rows in enumerate(by_class)]
    rate = wrong_share(by_class, labels)
    while True:
        halves = [rows[: (len(rows) + 1) // 2] for rows in by_class]
        count, halved_rate = sum(map(len, halves)), wrong_share(halves, labels)
        standard_error = math.sqrt(halved_rate * (1 - halved_rate) / count)
        if count < MIN_ANCHORS or halved_rate + standard_error >= rate:
            return by_class
        by_class, rate = halves, halved_rate


def wrong_share(by_class: list[torch.Tensor], labels: torch.Tensor) -> float:
    """The share of labels other than k among the rows `by_class[k]`, over all k."""
    return float(torch.cat([labels[rows] != k for k, rows in enumerate(by_class)]).double().mean())
