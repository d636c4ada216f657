"""Shapes and types of the fused operators' outputs, so that torch.compile and torch.export can trace them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

SAMPLE_ROWS = 5
"""Rows of the operator's `samples` [5, N]: confidence, tail, prediction, NLL, Brier."""


def register(ops: Iterable[str]) -> None:
    """Registers the fake kernel of each operator. Called once, after the library is loaded."""
    for op in ops:
        torch.library.register_fake(f"calibench::{op}", _FAKES[op])


def _fault(like: Tensor) -> Tensor:
    return like.new_empty((2,), dtype=torch.int64)


def _calibration_stats(
    scores: Tensor, labels: Tensor, bins: int, from_probs: bool, return_samples: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rows = scores.shape[0] if return_samples else 0
    return (
        scores.new_empty((3, bins), dtype=torch.float64),
        scores.new_empty((4,), dtype=torch.float64),
        scores.new_empty((SAMPLE_ROWS, rows), dtype=torch.float64),
        _fault(scores),
    )


def _calibration_update(
    state: Tensor, fault: Tensor, scores: Tensor, labels: Tensor, bins: int, from_probs: bool
) -> None:
    """The operator changes `state` and `fault` in place and returns nothing."""


def _classwise_stats(
    scores: Tensor, labels: Tensor, edges: Tensor, bins: int, from_probs: bool, threshold: float
) -> tuple[Tensor, Tensor]:
    return scores.new_empty((3, scores.shape[1], bins), dtype=torch.float64), _fault(scores)


def _softmax_threshold(logits: Tensor, thresholds: Tensor, strict: bool) -> tuple[Tensor, Tensor, Tensor]:
    rows = logits.shape[0]
    prediction = logits.new_empty((rows,), dtype=torch.int64)
    return prediction, logits.new_empty((rows,), dtype=torch.float64), _fault(logits)


def _sets(logits: Tensor, thresholds: Tensor, strict: bool) -> tuple[Tensor, Tensor, Tensor]:
    sets = logits.new_empty((logits.shape[0], logits.shape[1]), dtype=torch.bool)
    return sets, logits.new_empty((logits.shape[0],), dtype=torch.int64), _fault(logits)


def _nll_curve(logits: Tensor, labels: Tensor, log_temperatures: Tensor) -> tuple[Tensor, Tensor]:
    return logits.new_empty((3, log_temperatures.shape[0]), dtype=torch.float64), _fault(logits)


def _bootstrap_bins(confidence: Tensor, correct: Tensor, bins: int, resamples: int, seed: int) -> tuple[Tensor, Tensor]:
    return confidence.new_empty((resamples, 3, bins), dtype=torch.float64), _fault(confidence)


_FAKES: dict[str, Callable[..., Any]] = {
    "calibration_stats": _calibration_stats,
    "calibration_update": _calibration_update,
    "classwise_stats": _classwise_stats,
    "softmax_threshold": _softmax_threshold,
    "softmax_threshold_sets": _sets,
    "sigmoid_threshold": _sets,
    "nll_curve": _nll_curve,
    "bootstrap_bins": _bootstrap_bins,
}
