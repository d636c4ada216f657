"""Shared by the tests of objectives: objectives built from text, their value and gradient, and numerical derivatives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from calibench import Objective
from calibench.config.resolve import resolve
from calibench.stages import Batch, TrainTask
from calibench.stages.build import build_stage

Array = np.ndarray

N, K = 9, 4
"""The numbers of rows and of classes."""

Formula = Callable[[Array, Array, Array], float]
"""f(z, y, z0): the mean loss at logits z. Quantities that a paper holds constant in the gradient are taken at z0."""


def build(recipe: str, k: int = K, n: int = N, probs: Array | None = None, labels: Array | None = None) -> Any:
    """The objective that a user names, checked and prepared for n rows of k classes, or for `labels`.

    `probs` are the out-of-fold probabilities; the objective must ask for them if and only if they are given.
    """
    objective: Objective = build_stage(resolve(recipe).objective)
    objective.check(k)
    assert (objective.folds > 0) == (probs is not None)
    y = torch.arange(n) % k if labels is None else torch.from_numpy(labels)
    out_of_fold = None if probs is None else torch.from_numpy(probs)
    objective.prepare(TrainTask(y, k, 10, out_of_fold, lambda: nn.Linear(3, k)))
    return objective


def loss_of(objective: Objective, logits: Any, y: Any) -> torch.Tensor:
    logits, y = torch.as_tensor(logits), torch.as_tensor(y)
    return objective.loss(logits, Batch(logits, y, torch.arange(len(y))))


def value_and_gradient(objective: Objective, logits: Array, y: Array) -> tuple[float, Array]:
    x = torch.tensor(logits, requires_grad=True)
    loss = loss_of(objective, x, y)
    loss.backward()
    assert x.grad is not None
    return float(loss.detach()), x.grad.numpy()


def logits_and_labels(seed: int = 0, k: int = K, scale: float = 2.0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, k)) * scale, rng.integers(k, size=N)


def log_softmax(z: Array) -> Array:
    shifted = z - z.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def one_hot(y: Array, k: int) -> Array:
    return np.eye(k)[y]


def of_p(f: Callable[[Array], Array]) -> Formula:
    """The mean of `f(p_y)`."""
    return lambda z, y, _: float(f(np.exp(log_softmax(z))[np.arange(len(y)), y]).mean())


def slope(formula: Formula, z: Array, y: Array, place: tuple[int, ...], h: float = 1e-3) -> float:
    """The derivative by one logit: central differences of two widths, whose errors of order h^2 cancel."""

    def central(width: float) -> float:
        step = np.zeros_like(z)
        step[place] = width
        return (formula(z + step, y, z) - formula(z - step, y, z)) / (2 * width)

    return (4 * central(h / 2) - central(h)) / 3


def blobs(folder: Path, rows: int) -> str:
    """A dataset of three classes that a small network separates, as a user names it."""
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=rows)
    x = (rng.normal(size=(rows, 5)) + 3 * np.eye(5)[y]).astype(np.float32)
    np.savez(folder / "blobs.npz", train_x=x, train_y=y)
    return f"npz:path={folder / 'blobs.npz'}"
