"""The running sums of `calibration_stats`: their layout, how two of them add up, and in which chunks rows enter them.

A state is float64 `[M + 2, 4]`: row k < M is (count, correct, confidence sum, its carry), row M is (N, 0, NLL sum,
carry), row M + 1 is (correct, 0, Brier sum, carry). Sum and carry are a compensated pair (Neumaier 1974).
"""

from __future__ import annotations

import torch


def chunk_rows(num_classes: int, bins: int) -> int:
    """Rows that the kernel sums before it adds them to a state: `max(clamp(262144 // K, 64, 1024), 4 * bins)`.

    It depends on the problem alone, never on threads. Batches whose length is a multiple of it (but for the last)
    give an accumulator the very bits of one call on all rows.
    """
    return max(min(max(262144 // num_classes, 64), 1024), 4 * bins)


def zero(bins: int, device: torch.device) -> torch.Tensor:
    """The state of no rows."""
    return torch.zeros((bins + 2, 4), dtype=torch.float64, device=device)


def add(state: torch.Tensor, other: torch.Tensor) -> None:
    """Adds the rows behind `other` to `state`, in place; element by element, so the bits are those of `Sum::add`."""
    mine, theirs = state[:, 2], other[:, 2]
    total = mine + theirs
    lost = torch.where(mine.abs() >= theirs.abs(), (mine - total) + theirs, (theirs - total) + mine)
    # An infinite NLL stays infinite: its correction would be inf - inf.
    carry = (state[:, 3] + lost.where(total.isfinite(), 0.0)) + other[:, 3]
    state[:, :2] += other[:, :2]
    state[:, 2] = total
    state[:, 3] = carry


def read(state: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The fields of `CalibrationStats`, as copies."""
    bins = len(state) - 2
    value = state[:, 2] + state[:, 3]
    count, hits = state[:, 0].clone(), state[:bins, 1].clone()
    return count[:bins], value[:bins], hits, value[bins], value[bins + 1], count[bins + 1], count[bins]
