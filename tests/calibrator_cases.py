"""What the tests of calibrators share: stages from their text, samples drawn where the truth is known, a round trip by JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch

from calibench import Outputs
from calibench.config.resolve import resolve_chain
from calibench.stages.build import build_stage


def method(text: str) -> Any:
    return build_stage(resolve_chain(text, ("calibrator",), text)[0])


def drawn(n: int, k: int, seed: int = 0, heat: float = 2.0) -> tuple[Outputs, torch.Tensor]:
    """Logits of a network that is over-confident by `heat`, and labels drawn from what it should have said."""
    rng = np.random.default_rng([n, k, seed])
    z = rng.normal(size=(n, k)) * 2
    p = softmax(z)
    labels = np.array([rng.choice(k, p=row) for row in p])
    return Outputs(torch.from_numpy(z * heat)), torch.from_numpy(labels)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def fitted_to(text: str, outputs: Outputs, labels: torch.Tensor) -> tuple[Any, dict[str, Any]]:
    stage = method(text)
    return stage, json.loads(json.dumps(stage.fit(outputs, labels), allow_nan=False))


def through(text: str, outputs: Outputs, labels: torch.Tensor, others: Outputs | None = None) -> np.ndarray:
    """Probabilities after a fit whose result went through JSON and into a stage that has seen nothing."""
    _, fitted = fitted_to(text, outputs, labels)
    return method(text).apply(outputs if others is None else others, fitted).probs().numpy()


def nll(p: np.ndarray, y: np.ndarray) -> float:
    return float(-np.log(np.maximum(p[np.arange(len(y)), y], 1e-12)).mean())


def absent(n: int, k: int, seed: int) -> tuple[Outputs, torch.Tensor]:
    outputs, labels = drawn(n, k, seed)
    return outputs, labels.clamp_max(max(k - 2, 1))
