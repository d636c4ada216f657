"""Accumulators filled with rows, and the comparison of their sums, for the files that test `CalibrationAccumulator`."""

from __future__ import annotations

import torch

from calibench import kernels
from calibench.kernels import CalibrationAccumulator


def filled(
    x: torch.Tensor, y: torch.Tensor, batch: int, bins: int = 15, from_probs: bool = False
) -> CalibrationAccumulator:
    """An accumulator with all rows, in batches of `batch` rows."""
    accumulator = CalibrationAccumulator(bins, from_probs=from_probs)
    for start in range(0, len(x), batch):
        accumulator.update(x[start : start + batch], y[start : start + batch])
    return accumulator


def assert_stats_close(
    actual: kernels.CalibrationStats, expected: kernels.CalibrationStats, rtol: float = 1e-14
) -> None:
    """Counts are equal, sums within a relative tolerance."""
    for name in ("count", "correct_sum", "correct", "n"):
        assert torch.equal(getattr(actual, name), getattr(expected, name)), name
    for a, b in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=rtol, atol=0)
