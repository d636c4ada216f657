"""OodScore: how far rows are from the training rows in the features of a network's body."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from calibench.errors import InputError
from calibench.lazy import nn, torch


@dataclass(frozen=True)
class OodTask:
    """Features `[N, D]` in float64 and labels `[N]` of the training rows, and the recipe's head on these features."""

    train_features: torch.Tensor
    train_labels: torch.Tensor
    num_classes: int
    head: nn.Module

    def last_layer(self, score: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight `[K, D]` and bias `[K]` of the head in float64; InputError, which names the score, if it is not linear."""
        if not isinstance(self.head, nn.Linear):
            kind = type(self.head).__name__
            message = f"score {score} needs a linear layer on the features, and this recipe has a {kind}"
            raise InputError(message, "use mahalanobis or knn, which do not look at the head, or another recipe")
        weight = self.head.weight.detach().double()
        bias = weight.new_zeros(len(weight)) if self.head.bias is None else self.head.bias.detach().double()
        return weight, bias


class OodScore(ABC):
    """A score of rows by their features, fitted on the training features."""

    @abstractmethod
    def fit(self, task: OodTask) -> None:
        """Fit the score; InputError for features or a head that it cannot use."""

    @abstractmethod
    def uncertainty(self, features: torch.Tensor) -> torch.Tensor:
        """`[n]` for features `[n, D]` in float64, small where rows are like the training rows."""
