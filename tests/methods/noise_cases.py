"""Shared by the tests of noise-aware objectives: simulated noisy labels with the probabilities of a good network."""

from __future__ import annotations

import numpy as np
from objective_cases import Array

SKEWED = np.array([[0.8, 0.2, 0.0, 0.0], [0.1, 0.6, 0.3, 0.0], [0.05, 0.05, 0.7, 0.2], [0.25, 0.25, 0.0, 0.5]])
"""A transition matrix in which no two classes are alike."""


def symmetric(rate: float, k: int) -> Array:
    return np.full((k, k), rate / (k - 1)) + np.eye(k) * (1 - rate - rate / (k - 1))


def simulated(n: int, k: int, transition: Array, seed: int, skill: float = 4.0) -> tuple[Array, Array, Array]:
    """True classes, noisy labels by `transition [K, K]`, and a network's probabilities of the noisy label, `[n, K]`.

    The network is unsure about some rows, wrong about a few, and does not depend on the row's own label.
    """
    rng = np.random.default_rng(seed)
    truth = rng.integers(k, size=n)
    if n < 5000:
        noisy = np.array([rng.choice(k, p=row) for row in transition[truth]])
    else:
        noisy = (transition.cumsum(axis=1)[truth] < rng.random((n, 1))).sum(axis=1).clip(max=k - 1)
    logits = rng.normal(size=(n, k)) * 1.2
    logits[np.arange(n), truth] += skill * rng.uniform(0.3, 2, size=n)
    clean = np.exp(logits - logits.max(axis=1, keepdims=True))
    return truth, noisy, (clean / clean.sum(axis=1, keepdims=True)) @ transition
