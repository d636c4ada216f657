"""Weighted sums and means over resamples, computed so that the number of threads changes no bit."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints


@functools.cache
def _thread_pools() -> Any:
    """The BLAS libraries of this process. Called once numpy has loaded its BLAS, and cached: a search takes 0.9 ms."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def weighted_sums(weights: Floats, columns: Floats) -> Floats:
    """`weights [B, N] @ columns` for `columns [N]` or `[N, C]`, on one BLAS thread: threads would change the order of sums."""
    with _thread_pools().limit(limits=1, user_api="blas"):
        return np.asarray(weights @ columns, dtype=np.float64)


def grouped_sums(weights: Floats, columns: Floats, starts: Ints) -> Iterator[Floats]:
    """`weighted_sums` of each group of adjacent samples, `[B, C]`; `starts [G]` has the first sample of each."""
    with _thread_pools().limit(limits=1, user_api="blas"):
        for start, end in pairwise([*starts.tolist(), len(columns)]):
            yield weights[:, start:end] @ columns[start:end]


def weighted_mean(weights: Floats, values: Floats) -> Floats:
    """Mean of `values [N]` in each resample, `[B]`: `sum_i w_i v_i / sum_i w_i`."""
    mean: Floats = weighted_sums(weights, values) / weights.sum(axis=1)
    return mean
