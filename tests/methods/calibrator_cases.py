"""Shared by the tests of calibrators: stages built from text, samples whose true probabilities are known, a round trip by JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch

from calibench import Outputs
from calibench.config.resolve import resolve_chain
from calibench.stages.build import build_stage
from calibench_methods.calibrators.multiclass import columns


def calibrator(text: str) -> Any:
    """The calibrator that a user writes as `text`."""
    return build_stage(resolve_chain(text, ("calibrator",), text)[0])


def overconfident(n: int, k: int, seed: int = 0, temperature: float = 2.0) -> tuple[Outputs, torch.Tensor]:
    """Logits that are over-confident by `temperature`, and labels drawn from the calibrated probabilities."""
    rng = np.random.default_rng([n, k, seed])
    z = rng.normal(size=(n, k)) * 2
    labels = np.array([rng.choice(k, p=row) for row in softmax(z)])
    return Outputs(torch.from_numpy(z * temperature)), torch.from_numpy(labels)


def without_last_class(n: int, k: int, seed: int) -> tuple[Outputs, torch.Tensor]:
    """Over-confident logits of k classes; no label is the last class."""
    outputs, labels = overconfident(n, k, seed)
    return outputs, labels.clamp_max(max(k - 2, 1))


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def fit(text: str, outputs: Outputs, labels: torch.Tensor) -> tuple[Any, dict[str, Any]]:
    """The calibrator and its fit, as JSON holds it."""
    stage = calibrator(text)
    return stage, json.loads(json.dumps(stage.fit(outputs, labels), allow_nan=False))


def calibrated(text: str, outputs: Outputs, labels: torch.Tensor, test_outputs: Outputs | None = None) -> np.ndarray:
    """Probabilities of the outputs (or of `test_outputs`) after a fit that went through JSON into a new calibrator."""
    _, fitted = fit(text, outputs, labels)
    return calibrator(text).apply(outputs if test_outputs is None else test_outputs, fitted).probs().numpy()


def nll(p: np.ndarray, y: np.ndarray) -> float:
    return float(-np.log(np.maximum(p[np.arange(len(y)), y], 1e-12)).mean())


def probabilities_and_hits(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of class 1 and its hits, which are drawn with p squared."""
    rng = np.random.default_rng([n, seed])
    p = rng.beta(0.7, 0.9, size=n)
    return p, (rng.random(n) < p**2).astype(np.float64)


def two_columns(p: np.ndarray) -> Outputs:
    return Outputs(torch.from_numpy(np.stack([1 - p, p], axis=1)), from_probs=True)


def one_map(text: str, p: np.ndarray, hit: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The map of class 1 of two at the probabilities `at`, before rows are divided by their sums."""
    stage = calibrator(text)
    fitted = stage.fit(two_columns(p), torch.from_numpy(hit).long())
    return stage.apply_one(columns(two_columns(at))[1], fitted["maps"][1])
