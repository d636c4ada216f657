"""Shared by the tests of head refits: a task of random features, the settings of a short stage 2."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from calibench.progress import quiet
from calibench.seeds import seeded
from calibench.stages import RefitTask

STAGE_2: dict[str, Any] = {"epochs": 2, "lr": 1e-2, "batch_size": 16, "weight_decay": 0.0, "select": "best"}

D, K = 6, 4
"""The numbers of features and of classes."""


def features(n: int = 40, seed: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32))


def labels(n: int = 40) -> torch.Tensor:
    return torch.arange(n) % K


def refit_task(**changes: Any) -> RefitTask:
    """A task of 40 training and 16 validation rows of random features."""
    with seeded(1):
        head = nn.Linear(D, K)
    fields: dict[str, Any] = {
        "train_features": features(),
        "train_labels": labels(),
        "val_features": features(16, 2),
        "val_labels": labels(16),
        "num_classes": K,
        "original_head": head,
        "seed": 0,
        "report": quiet,
    }
    return RefitTask(**(fields | changes))


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
