"""The definition of `bootstrap_bins`, in whole numbers throughout, so that every backend gives the same bits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from calibench.kernels import checks
from calibench.kernels.reference.rows import bin_of, one_thread

Words = npt.NDArray[np.uint64]

NARROW = 1 << 20
"""Up to this many samples a draw takes a word of 32 bits; beyond, 64 bits. The bias of a draw is N / 2^bits."""

DRAWS = 1 << 20
"""Draws held in memory at a time."""

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ROUNDS = 10


def bootstrap_bins(
    caller: str, confidence: torch.Tensor, correct: torch.Tensor, bins: int, resamples: int, seed: int
) -> torch.Tensor:
    """Count, confidence sum and correct `[B, 3, M]` of B resamples, drawn with replacement from N samples."""
    values, hits = confidence.detach().double().cpu(), correct.detach().cpu().long()
    checks.refuse_confidence(caller, values.numpy())
    with one_thread():
        cell = 2 * bin_of(values, bins) + hits
        order = torch.argsort(cell, stable=True)
        cells, sorted_values = cell[order].numpy(), values[order].numpy()
    n = len(cells)
    bits = min(52, 62 - max(n - 1, 1).bit_length())
    fixed = np.rint(np.ldexp(sorted_values, bits)).astype(np.int64)
    sums = np.zeros((resamples, 3, bins))
    for b in range(resamples if n else 0):
        counts, total = _resample(cells, fixed, 2 * bins, b, seed)
        sums[b] = counts.sum(axis=1), np.ldexp(total.sum(axis=1).astype(np.float64), -bits), counts[:, 1]
    return torch.from_numpy(sums).to(confidence.device)


def _resample(
    cells: npt.NDArray[np.int64], fixed: npt.NDArray[np.int64], num_cells: int, b: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Number of draws `[M, 2]` of each (bin, correct), and the sums of their confidences as whole numbers."""
    counts, total = np.zeros((2, num_cells), dtype=np.int64)
    for start in range(0, len(cells), DRAWS):
        draws = positions(len(cells), start, min(start + DRAWS, len(cells)), b, seed)
        cell, value = cells[draws], fixed[draws]
        counts += np.bincount(cell, minlength=num_cells)
        # np.bincount adds weights in float64, which holds the sum of 2^20 halves of 31 bits exactly.
        for half, shift in ((value & 0x7FFFFFFF, 0), (value >> 31, 31)):
            total += np.bincount(cell, weights=half, minlength=num_cells).astype(np.int64) << shift
    return counts.reshape(-1, 2), total.reshape(-1, 2)


def positions(n: int, begin: int, end: int, b: int, seed: int) -> npt.NDArray[np.int64]:
    """Draws q_i in [0, n) of resample b, for i in [begin, end); `begin` is a multiple of 4."""
    draws_per_counter = 4 if n <= NARROW else 2
    j = np.arange(begin // draws_per_counter, -(-end // draws_per_counter), dtype=np.uint64)
    words = philox(j, b, seed)
    # The four words of a counter are four draws, or two of 64 bits, whose low word comes first.
    q = words * np.uint64(n) >> _HALF if n <= NARROW else _high_product(words[:, 0::2], words[:, 1::2], n)
    return q.reshape(-1)[: end - begin].astype(np.int64)


def philox(j: Words, b: int, seed: int) -> Words:
    """Philox4x32-10 (Salmon et al., SC 2011): the four words `[J, 4]` of each counter (j, b) under the key `seed`."""
    c = [j & _LOW, j >> _HALF, np.full_like(j, b & 0xFFFFFFFF), np.full_like(j, b >> 32)]
    low, high = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(_ROUNDS):
        first, second = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [
            (second >> _HALF) ^ c[1] ^ np.uint64(low),
            second & _LOW,
            (first >> _HALF) ^ c[3] ^ np.uint64(high),
            first & _LOW,
        ]
        low, high = (low + 0x9E3779B9) & 0xFFFFFFFF, (high + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, axis=1)


def _high_product(low: Words, high: Words, n: int) -> Words:
    """The high 64 bits of (high * 2^32 + low) * n."""
    n_low, n_high = np.uint64(n & 0xFFFFFFFF), np.uint64(n >> 32)
    low_low, low_high, high_low = low * n_low, low * n_high, high * n_low
    middle = (low_low >> _HALF) + (low_high & _LOW) + (high_low & _LOW)
    product: Words = high * n_high + (low_high >> _HALF) + (high_low >> _HALF) + (middle >> _HALF)
    return product
