"""Checks of softmax_threshold, softmax_threshold_sets and sigmoid_threshold against their definitions."""

from __future__ import annotations

import torch
from kernel_definitions import Floats, assert_close, assert_exact, decide, passing, sigmoid, softmax

from calibench import kernels


def check_softmax(x: torch.Tensor, thresholds: float | Floats, strict: bool = False, name: str = "") -> torch.Tensor:
    """Compares decisions and sets with the definition; returns the predictions."""
    limits = thresholds if isinstance(thresholds, float) else torch.from_numpy(thresholds)
    decision = kernels.softmax_threshold(x, limits, strict=strict)
    prediction, confidence = decide(x, thresholds, strict)
    assert_exact(decision.prediction, prediction, name)
    assert_close(decision.confidence, confidence, x.dtype, name)
    assert decision.prediction.dtype == torch.int64
    assert decision.confidence.dtype == torch.float64
    result = kernels.softmax_threshold_sets(x, limits, strict=strict)
    expected = passing(softmax(x).p, thresholds, strict)
    assert_exact(result.sets, expected, name)
    assert_exact(result.sizes, expected.sum(axis=1), name)
    assert result.sets.dtype == torch.bool
    assert result.sizes.dtype == torch.int64
    return decision.prediction


def check_sigmoid(x: torch.Tensor, thresholds: float | Floats, strict: bool = False, name: str = "") -> torch.Tensor:
    """Compares the sets with the definition; returns them."""
    limits = thresholds if isinstance(thresholds, float) else torch.from_numpy(thresholds)
    result = kernels.sigmoid_threshold(x, limits, strict=strict)
    expected = passing(sigmoid(x), thresholds, strict)
    assert_exact(result.sets, expected, name)
    assert_exact(result.sizes, expected.sum(axis=1), name)
    assert result.sets.dtype == torch.bool
    assert result.sizes.dtype == torch.int64
    return result.sets
