"""Samples whose population figures are known: binary answers with five confidences, each alone in its bin."""

from __future__ import annotations

import numpy as np

CONFIDENCES = np.array([0.55, 0.65, 0.75, 0.85, 0.95])
"""One value a bin of 15: (8/15, 9/15], (9/15, 10/15], ..., so the ECE of the population is a sum of five gaps."""


def population(gap: float) -> dict[str, float]:
    """ECE, Brier score and accuracy if each answer is right with probability `confidence - gap`; confidences are equally often."""
    right = CONFIDENCES - gap
    brier = 2 * (right * (1 - CONFIDENCES) ** 2 + (1 - right) * CONFIDENCES**2)
    return {"ece15": abs(gap), "brier": float(brier.mean()), "accuracy": float(right.mean())}


def drawn(n: int, gap: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities `[N, 2]` of class 0, the prediction, and labels."""
    generator = np.random.default_rng((seed, n))
    confidence = generator.choice(CONFIDENCES, size=n)
    labels = (generator.random(n) >= confidence - gap).astype(np.int64)
    return np.stack([confidence, 1 - confidence], axis=1), labels
