"""softmax_threshold, its sets and sigmoid_threshold beside their definitions, for the files that test them."""

from __future__ import annotations

import torch
from kernel_definitions import Floats, close, decide, exact, passing, sigmoid, softmax

from calibench import kernels


def check_softmax(x: torch.Tensor, thresholds: float | Floats, strict: bool = False, name: str = "") -> torch.Tensor:
    """Decision and sets against the definition; returns the predictions."""
    given = thresholds if isinstance(thresholds, float) else torch.from_numpy(thresholds)
    decided = kernels.softmax_threshold(x, given, strict=strict)
    prediction, confidence = decide(x, thresholds, strict)
    exact(decided.prediction, prediction, name)
    close(decided.confidence, confidence, x.dtype, name)
    assert decided.prediction.dtype == torch.int64
    assert decided.confidence.dtype == torch.float64
    found = kernels.softmax_threshold_sets(x, given, strict=strict)
    want = passing(softmax(x).p, thresholds, strict)
    exact(found.sets, want, name)
    exact(found.sizes, want.sum(axis=1), name)
    assert found.sets.dtype == torch.bool
    assert found.sizes.dtype == torch.int64
    return decided.prediction


def check_sigmoid(x: torch.Tensor, thresholds: float | Floats, strict: bool = False, name: str = "") -> torch.Tensor:
    """Sets against the definition; returns them."""
    given = thresholds if isinstance(thresholds, float) else torch.from_numpy(thresholds)
    found = kernels.sigmoid_threshold(x, given, strict=strict)
    want = passing(sigmoid(x), thresholds, strict)
    exact(found.sets, want, name)
    exact(found.sizes, want.sum(axis=1), name)
    assert found.sets.dtype == torch.bool
    assert found.sizes.dtype == torch.int64
    return found.sets
