"""The running sums of `calibration_stats`: their layout, their addition, and the chunks in which rows are added.

A state is float64 `[M + 2, 4]`: row k < M is (count, correct, confidence sum, its carry), row M is (N, 0, NLL sum,
carry), row M + 1 is (correct, 0, Brier sum, carry). Sum and carry are a compensated pair (Neumaier 1974).
"""

from __future__ import annotations

from calibench.lazy import torch


def chunk_rows(num_classes: int, bins: int) -> int:
    """Rows that a kernel sums before it adds them to a state: `max(clamp(262144 // K, 64, 1024), 4 * bins)`.

    The number depends on the problem alone, never on threads. If every batch but the last has a multiple of it, an
    accumulator ends with the very bits of one call on all rows.
    """
    return max(min(max(262144 // num_classes, 64), 1024), 4 * bins)


def zero(bins: int, device: torch.device) -> torch.Tensor:
    """The state of no rows."""
    return torch.zeros((bins + 2, 4), dtype=torch.float64, device=device)


def add(state: torch.Tensor, part: torch.Tensor) -> None:
    """Adds the state `part` to `state`, in place; element by element, so the bits are those of `Sum::add`."""
    old, new = state[:, 2], part[:, 2]
    total = old + new
    lost = torch.where(old.abs() >= new.abs(), (old - total) + new, (new - total) + old)
    # An infinite NLL stays infinite: its correction would be inf - inf.
    carry = (state[:, 3] + lost.where(total.isfinite(), 0.0)) + part[:, 3]
    state[:, :2] += part[:, :2]
    state[:, 2] = total
    state[:, 3] = carry


def read(state: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The fields of `CalibrationStats`, as copies."""
    bins = len(state) - 2
    value = state[:, 2] + state[:, 3]
    count, hits = state[:, 0].clone(), state[:bins, 1].clone()
    return count[:bins], value[:bins], hits, value[bins], value[bins + 1], count[bins + 1], count[bins]
