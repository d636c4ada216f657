"""Sampler: several predictions from one training, which are averaged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from calibench.lazy import torch
from calibench.progress import Report

if TYPE_CHECKING:
    from calibench.models.network import Network

View: TypeAlias = "Callable[[torch.Tensor], torch.Tensor]"
"""Changes inputs `x [n, ...]` before the network sees them, and keeps their shape."""


def as_it_is(x: torch.Tensor) -> torch.Tensor:
    """The view that changes nothing."""
    return x


@dataclass(frozen=True)
class SampleTask:
    """The training rows, the objective's loss on them, and stage 1's learning rate and batch size.

    `loss(rows)` is the mean loss of the training rows `[n]` by the network as it stands, ready for backward.
    """

    train_x: torch.Tensor
    loss: Callable[[torch.Tensor], torch.Tensor]
    lr: float
    batch_size: int
    report: Report


class Sampler(ABC):
    """Makes variants of one trained network, or of its inputs. Each member gets a fresh object."""

    combine: str = "probs"
    """The average of the variants: `probs`, the mean of probabilities, or `logits`, softmax of the mean of log-probabilities."""

    separate_bodies = False
    """True if every member has a body of its own: a head refit, which fits the features of one body, is then refused."""

    def check(self, network: Network, input_shape: tuple[int, ...]) -> None:
        """Raise InputError if this network, or inputs of this shape, cannot be sampled; called before anything is trained."""

    def convert(self, network: Network) -> None:
        """Change the layers of the untrained network in place, if variants need it; other recipes then do not share stage 1."""

    def training_loss(self, loss: Callable[[], torch.Tensor]) -> torch.Tensor:
        """The loss of one step of stage 1, a scalar; `loss()` is the objective's loss of the batch by the network as it stands.

        A sampler that trains several members on every row calls it once for each member, and returns the mean.
        """
        return loss()

    def collect(self, network: Network, task: SampleTask) -> Mapping[str, torch.Tensor]:
        """Tensors that sampling needs beside the trained network; they are cached. It may train the network further."""
        return {}

    @abstractmethod
    def variants(
        self, network: Network, collected: Mapping[str, torch.Tensor], train_x: torch.Tensor
    ) -> Iterator[View]:
        """Change the network into one variant after another, in eval mode, and yield the view that inputs go through.

        It may draw from torch's global generator, which is seeded. It need not restore the network at the end.
        """
