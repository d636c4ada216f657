"""Shared by the tests of decision rules: logits with labels, a chain with one rule, a cost matrix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from calibench import Outputs
from calibench.config.resolve import resolve_chain
from calibench.recipe.posthoc import PostHoc

CIFAR100 = Path(__file__).resolve().parents[3] / "shared" / "data" / "cifar100_test_probs.npz"


def logits_and_labels(n: int, k: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    logits = rng.normal(size=(n, k)) * 2
    logits[np.arange(n), labels] += rng.exponential(3.0, size=n)
    return torch.tensor(logits), torch.tensor(labels)


def overconfident_probs(n: int, k: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities that are over-confident, so that sets and limits cannot rely on them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    logits = rng.normal(size=(n, k)) * 3
    logits[np.arange(n), labels] += rng.exponential(3.0, size=n)
    return torch.tensor(logits).softmax(1), torch.tensor(labels)


def post_hoc(text: str, num_classes: int) -> PostHoc:
    """The calibrators and the decision rule that a user writes as `text`."""
    return PostHoc(resolve_chain(text, ("calibrator", "decision"), "--fit"), num_classes)


def fit(rule: Any, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
    """The fitted values of the rule, as JSON holds them."""
    return json.loads(json.dumps(rule.fit(outputs, labels), allow_nan=False))


def cost_file(folder: Path, text: str) -> str:
    (folder / "cost.csv").write_text(text)
    return str(folder / "cost.csv")
