"""The definition of the resampling operators, one resample at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from calibench.kernels.reference.bootstrap_bins import DRAWS, positions

Floats = npt.NDArray[np.float64]

FIXED_UNIT = 2.0**-30
"""Columns of int32 are multiples of this."""

LANES = 16
"""Resamples are side by side in a multiple of this many columns."""


def resample_counts(samples: int, first: int, resamples: int, seed: int) -> torch.Tensor:
    """How often resample `first + b` draws each of n samples, uint8 `[n, P]`; 0 beyond the resamples."""
    counts = np.zeros((samples, -(-resamples // LANES) * LANES), dtype=np.uint8)
    for b in range(resamples):
        for start in range(0, samples, DRAWS):
            draws = positions(samples, start, min(start + DRAWS, samples), first + b, seed)
            counts[:, b] += np.bincount(draws, minlength=samples).astype(np.uint8)
    return torch.from_numpy(counts)


def _numbers(column: torch.Tensor) -> Floats:
    """The numbers of a column, float64 `[L]`."""
    numbers: Floats = column.numpy().astype(np.float64)
    return numbers * FIXED_UNIT if column.dtype == torch.int32 else numbers


def resample_sums(
    counts: torch.Tensor, columns: Sequence[torch.Tensor], ends: torch.Tensor, places: torch.Tensor | None
) -> torch.Tensor:
    """The count and the weighted sum of each column over each range of items, `[S, 1 + C, P]`."""
    values, last, bytes_of = [_numbers(column) for column in columns], ends.numpy(), counts.numpy()
    rows = np.arange(len(counts)) if places is None else places.numpy()
    sums = np.zeros((len(last), 1 + len(values), counts.shape[1]))
    begin = 0
    for s, end in enumerate(last):
        weights = bytes_of[rows[begin:end]].astype(np.float64)
        sums[s, 0] = weights.sum(axis=0)
        # Not a matrix product: the threads of BLAS would change the order of the sum.
        for c, numbers in enumerate(values, start=1):
            sums[s, c] = np.einsum("l,lp->p", numbers[begin:end], weights)
        begin = end
    return torch.from_numpy(sums)


def resample_risks(
    counts: torch.Tensor, wrong: torch.Tensor, ends: torch.Tensor, places: torch.Tensor | None
) -> torch.Tensor:
    """Samples, errors, and the sums of the selective and of the joint risk of each resample, `[4, P]`."""
    places = torch.arange(len(wrong)) if places is None else places
    is_wrong, last = wrong.numpy(), ends.numpy()
    starts = np.concatenate([[0], last[:-1]])
    risks = np.zeros((4, counts.shape[1]))
    for lane in range(counts.shape[1]) if len(last) else ():
        weight = counts[:, lane].numpy()[places.numpy()].astype(np.float64)
        until = np.concatenate([[0.0], weight.cumsum()])
        errors_until = np.concatenate([[0.0], (weight * is_wrong).cumsum()])
        size, errors = until[last] - until[starts], errors_until[last] - errors_until[starts]
        before, errors_before = until[starts], errors_until[starts]
        rank = until.astype(np.int64)
        table = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, rank[-1] + 1))])
        span = table[rank[last]] - table[rank[starts]]
        rate = errors / np.maximum(size, 1)
        risks[:, lane] = (
            until[last[-1]],
            errors_until[last[-1]],
            (errors + (errors_before - before * rate) * span).sum(),
            (size * (errors_before + errors / 2)).sum(),
        )
    return torch.from_numpy(risks)


def resample_group_sums(
    counts: torch.Tensor, columns: Sequence[torch.Tensor], ends: torch.Tensor, places: torch.Tensor | None
) -> torch.Tensor:
    """The weighted sum of the sum of the columns over each group of draws, `[M, P]`."""
    values = np.sum([_numbers(column) for column in columns], axis=0)
    rows = np.arange(len(values)) if places is None else places.numpy()
    sums = np.zeros(tuple(ends.shape))
    for lane in range(counts.shape[1]):
        drawn = np.repeat(values, counts[:, lane].numpy()[rows])
        edges = np.concatenate([[0], ends[:-1, lane].numpy().astype(np.int64), [len(drawn)]])
        for group, (begin, end) in enumerate(pairwise(edges)):
            sums[group, lane] = drawn[begin:end].sum()
    return torch.from_numpy(sums)
