"""HeadRefit: a new head on a frozen body."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calibench.lazy import nn, torch
from calibench.outputs.outputs import Outputs
from calibench.progress import Report

if TYPE_CHECKING:
    from calibench.cache.resume import Resume
    from calibench.models.network import Network


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
    augmented: Callable[[Callable[[torch.Tensor], torch.Tensor]], torch.Tensor] | None = None
    """`augmented(view)` are the features `[N, D]` of the training rows after `view(x)`; each call is a pass of the body."""
    input_shape: tuple[int, ...] = ()
    """Shape of one row of the body's input."""
    resume: Resume | None = None
    """Pass it to `calibench.training.train`, and the training is resumed after a kill."""


@dataclass(frozen=True)
class TuneTask:
    """Inputs `[N, ...]` and labels of the training and validation splits, for a refit that trains the body too."""

    train_x: torch.Tensor
    train_labels: torch.Tensor
    val_x: torch.Tensor
    val_labels: torch.Tensor
    report: Report
    resume: Resume | None = None
    """As in `RefitTask`."""


class HeadRefit(ABC):
    """A new head on a frozen body. Stage 2 sees features, never the body, unless `tunes_body` is True."""

    tunes_body = False
    """True if stage 2 trains the whole network: `tune` is then called in place of `fit`."""

    def check(self, network: Network, input_shape: tuple[int, ...]) -> None:
        """Raise InputError if this untrained network or inputs of this shape cannot work; called before anything is trained."""

    def tune(self, network: nn.Module, task: TuneTask) -> dict[str, float]:
        """Train the whole network in place, which has the fresh head from `build`; returns figures for the record."""
        raise NotImplementedError

    @abstractmethod
    def build(self, feature_size: int, num_classes: int) -> nn.Module:
        """A freshly initialised head. Its `state_dict`, which is cached, must hold all that it learns."""

    @abstractmethod
    def fit(self, head: nn.Module, task: RefitTask) -> dict[str, float]:
        """Train the head in place; returns figures for the record, such as the epoch kept and its validation NLL."""

    @abstractmethod
    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        """Outputs of the head for features `[N, D]`; it may draw from torch's global generator, which is seeded."""
