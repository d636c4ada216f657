"""Sampler: several predictions out of one training, whose probabilities are averaged."""

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
"""What becomes of inputs `x [n, ...]` before the network sees them, of the same shape."""


def as_it_is(x: torch.Tensor) -> torch.Tensor:
    """The view that changes nothing."""
    return x


@dataclass(frozen=True)
class SampleTask:
    """The training rows, the objective's loss of some of them, and stage 1's learning rate and batch size.

    `loss(rows)` is the mean loss of the training rows `[n]` by the network as it stands, ready for backward.
    """

    train_x: torch.Tensor
    loss: Callable[[torch.Tensor], torch.Tensor]
    lr: float
    batch_size: int
    report: Report


class Sampler(ABC):
    """Makes variants of one trained network, or of what it is shown. A fresh object serves each member."""

    combine: str = "probs"
    """How variants are averaged: `probs`, the mean of probabilities, or `logits`, softmax of the mean of log-probabilities."""

    def check(self, network: Network, input_shape: tuple[int, ...]) -> None:
        """Raise InputError if this network, or inputs of this shape, cannot be sampled; called before anything is trained."""

    def convert(self, network: Network) -> None:
        """Change the untrained network in place, where variants live in its layers; stage 1 is then not shared."""

    def collect(self, network: Network, task: SampleTask) -> Mapping[str, torch.Tensor]:
        """What sampling needs beside the trained network, as tensors that are cached; may train the network further."""
        return {}

    @abstractmethod
    def variants(
        self, network: Network, collected: Mapping[str, torch.Tensor], train_x: torch.Tensor
    ) -> Iterator[View]:
        """Puts the network into one variant after another, in eval mode, and yields what inputs must go through.

        May draw from torch's global generator, which is seeded. The network need not be put back at the end.
        """
