"""Noisy: what a noise model returns where it can say by which matrix it drew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray


MOST_CLASSES = 20
"""Matrices of more classes stay out of the record's JSON: 100 classes would be 10 000 numbers."""


@dataclass(frozen=True)
class Noisy:
    """Wrong labels `[N]` and, if the model has one, the transition matrix `[K, K]` they were drawn by.

    Row i, column j is P(label j | class i); each row sums to 1.
    """

    labels: NDArray[np.int64]
    transition: NDArray[np.float64] | None = None


def uniform_transition(num_classes: int, rate: float) -> NDArray[np.float64]:
    """1 - rate on the diagonal, rate / (K - 1) beside it."""
    matrix = np.full((num_classes, num_classes), rate / (num_classes - 1))
    np.fill_diagonal(matrix, 1 - rate)
    return matrix


def realised_transition(clean: NDArray[np.int64], noisy: NDArray[np.int64], num_classes: int) -> NDArray[np.float64]:
    """Shares of the labels that each class was given, `[K, K]`; a class without rows keeps its own label."""
    counts = np.zeros((num_classes, num_classes))
    np.add.at(counts, (clean, noisy), 1)
    empty = counts.sum(axis=1) == 0
    counts[empty, empty] = 1
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))
