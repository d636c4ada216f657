"""What a method implements: Objective, HeadRefit, Calibrator or DecisionRule, by the kind its spec names.

A recipe holds one chain of them, in that order. Each is built as `target(**params)` with the parameters its spec declares,
and must raise InputError from `__init__` or `check` for values that cannot work.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from calibench.outputs import Outputs

Report = Callable[[str, int, int, str], None]
"""Told `(what, done, total, note)` as work goes on."""


@dataclass(frozen=True)
class Batch:
    """Inputs `x [n, ...]`, class indices `y [n]`, and `rows [n]`, their places in the training split."""

    x: torch.Tensor
    y: torch.Tensor
    rows: torch.Tensor


class Objective(ABC):
    """What stage 1 minimises."""

    def prepare(self, labels: torch.Tensor, num_classes: int) -> None:
        """Called once before training with the (possibly noisy) training labels `[N]`."""

    @abstractmethod
    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The mean loss of a batch, a scalar, from its logits `[n, K]`."""

    def step(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """The loss of one training step; override when an objective changes inputs or needs several passes."""
        return self.loss(network(batch.x), batch)


@dataclass(frozen=True)
class RefitTask:
    """Features `[N, D]` and labels of the training and validation splits, the old head, and a seed for batches and samples."""

    train_features: torch.Tensor
    train_labels: torch.Tensor
    val_features: torch.Tensor
    val_labels: torch.Tensor
    num_classes: int
    original_head: nn.Module
    seed: int
    report: Report


class HeadRefit(ABC):
    """A new head on a frozen body; stage 2 sees features, never the body."""

    @abstractmethod
    def build(self, feature_size: int, num_classes: int) -> nn.Module:
        """A freshly initialised head; all that it learns must be in its `state_dict`, which is cached."""

    @abstractmethod
    def fit(self, head: nn.Module, task: RefitTask) -> dict[str, float]:
        """Train the head in place; returns figures for the record, such as the epoch kept and its validation NLL."""

    @abstractmethod
    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        """What the head says about features `[N, D]`; it may sample from torch's global generator, which is seeded."""


class Calibrator(ABC):
    """A post-hoc map of outputs, fitted on the calibration split."""

    def check(self, num_classes: int) -> None:
        """Raise InputError if the parameters do not fit K classes; called before anything is trained."""

    @abstractmethod
    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """What was learned, as JSON values: numbers, strings, lists; it goes into the record."""

    @abstractmethod
    def apply(self, outputs: Outputs, fitted: dict[str, Any]) -> Outputs:
        """The mapped outputs, of the same shape."""


class DecisionRule(ABC):
    """Turns outputs into answers: a class, or -1 to abstain."""

    needs_fit = False
    """True when `fit` must see the calibration split."""

    def check(self, num_classes: int) -> None:
        """Raise InputError if the parameters do not fit K classes; called before anything is trained."""

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """What was learned, as JSON values; nothing by default."""
        return {}

    @abstractmethod
    def decide(self, outputs: Outputs, fitted: dict[str, Any]) -> torch.Tensor:
        """Class indices `[N]` int64, -1 where the rule abstains."""
