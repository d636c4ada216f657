"""Shared by the tests of samplers: a small network, random inputs, a task, the predictions of a sampler's variants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from calibench import Sampler
from calibench.models.network import Network
from calibench.progress import quiet
from calibench.seeds import seeded
from calibench.stages import SampleTask

D, K = 5, 3
"""The numbers of inputs and of classes."""


def network(*layers: nn.Module) -> Network:
    """Two linear layers; `layers` follow the first one's ReLU."""
    with seeded(0):
        body = nn.Sequential(nn.Linear(D, 8), nn.ReLU(), *layers)
        return Network(body, nn.Linear(8, K), 8)


def inputs(n: int = 60) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(n, D)).astype(np.float32))


def sample_task(module: nn.Module, x: torch.Tensor, **changes: Any) -> SampleTask:
    """A task whose loss is the cross-entropy of labels that go round the classes."""
    y = torch.arange(len(x)) % K
    fields: dict[str, Any] = {
        "train_x": x,
        "loss": lambda rows: nn.functional.cross_entropy(module(x[rows]), y[rows]),
        "lr": 1e-3,
        "batch_size": 16,
        "report": quiet,
    }
    return SampleTask(**(fields | changes))


def weights(module: nn.Module) -> np.ndarray:
    """All parameters as one vector in float64."""
    return nn.utils.parameters_to_vector(module.parameters()).detach().double().numpy().copy()


def collected(sampler: Sampler, module: Network) -> tuple[Mapping[str, torch.Tensor], np.ndarray]:
    """The result of `collect`, and the weights after each of its epochs, `[epochs, P]`."""
    after_epochs: list[np.ndarray] = []

    def report(*progress: object) -> None:
        after_epochs.append(weights(module))

    with seeded(3):
        tensors = sampler.collect(module, sample_task(module, inputs(), report=report))
    return tensors, np.stack(after_epochs)


def variant_probs(
    sampler: Sampler, module: Network, x: torch.Tensor, tensors: Mapping[str, torch.Tensor] | None = None
) -> list[torch.Tensor]:
    """The probabilities of each variant for x, which is the training split too."""
    probs = []
    for view in sampler.variants(module, tensors or {}, x):
        with torch.inference_mode():
            probs.append(module(view(x)).double().softmax(1))
    return probs
