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
    """`augmented(view)` are the features `[N, D]` of the training rows seen through `view(x)`: a pass of the body."""
    input_shape: tuple[int, ...] = ()
    """Of one row that the body sees."""
    resume: Resume | None = None
    """Handed on to `calibench.training.loop.train`, the training goes on after a kill."""


@dataclass(frozen=True)
class TuneTask:
    """Inputs `[N, ...]` and labels of the training and validation splits, for a refit that trains the body too."""

    train_x: torch.Tensor
    train_labels: torch.Tensor
    val_x: torch.Tensor
    val_labels: torch.Tensor
    report: Report
    resume: Resume | None = None
    """As that of `RefitTask`."""


class HeadRefit(ABC):
    """A new head on a frozen body; stage 2 sees features, never the body, unless `tunes_body` says so."""

    tunes_body = False
    """True when stage 2 trains the whole network: then `tune` is called in place of `fit`."""

    def check(self, network: Network, input_shape: tuple[int, ...]) -> None:
        """Raise InputError if this network, still untrained, or such inputs cannot work; called before anything is trained."""

    def tune(self, network: nn.Module, task: TuneTask) -> dict[str, float]:
        """Train the whole network, which has the fresh head of `build`, in place; returns figures for the record."""
        raise NotImplementedError

    @abstractmethod
    def build(self, feature_size: int, num_classes: int) -> nn.Module:
        """A freshly initialised head; all that it learns must be in its `state_dict`, which is cached."""

    @abstractmethod
    def fit(self, head: nn.Module, task: RefitTask) -> dict[str, float]:
        """Train the head in place; returns figures for the record, such as the epoch kept and its validation NLL."""

    @abstractmethod
    def outputs(self, head: nn.Module, features: torch.Tensor) -> Outputs:
        """What the head says about features `[N, D]`; it may sample from torch's global generator, which is seeded."""
