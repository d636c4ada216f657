"""Fixtures of the tests of readers; `table_cases.py` writes their tables."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Importlib mode adds no folder to the path.
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def probs_and_labels(samples, softmax):
    """Probabilities `[90, 4]` in float64, and labels."""
    logits, labels = samples(90, 4, seed=3)
    return softmax(logits), labels
