"""Shapes and types of what the fused operators return, so that torch.compile and export can trace them."""

from __future__ import annotations

import torch

SAMPLE_ROWS = 5
"""Rows of the operator's `samples` [5, N]: confidence, tail, prediction, NLL, Brier."""


def register() -> None:
    """Gives every loaded operator its fake kernel; called once, after the library is loaded."""
    torch.library.register_fake("calibench::calibration_stats", _calibration_stats)


def _calibration_stats(
    scores: torch.Tensor, labels: torch.Tensor, bins: int, from_probs: bool, return_samples: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rows = scores.shape[0] if return_samples else 0
    return (
        scores.new_empty((3, bins), dtype=torch.float64),
        scores.new_empty((4,), dtype=torch.float64),
        scores.new_empty((SAMPLE_ROWS, rows), dtype=torch.float64),
    )
