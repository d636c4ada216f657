"""Ranges of ranked samples: where equal values lie, and the gap sum of each range."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.sample_weight import nonzero

BLOCK = 256
"""Items in a block of running sums."""


def tie_starts(ranked: Floats) -> Ints | None:
    """The place of the first of each run of equal numbers in `ranked [N]`, which rises; None if all numbers differ."""
    new = ranked[1:] != ranked[:-1]
    return None if new.all() else np.flatnonzero(np.concatenate([[True], new]))


def range_gap_sums(weight: Floats, gap: Floats, starts: Ints | None, ends: Ints | Floats) -> Floats:
    """Weighted sum of `gap` in each range, `[R]`, for samples in rank order: `weight [N]`, `gap [N]`.

    Range r holds the samples of rank `ends[r]` to `ends[r + 1]`, where a sample of weight w takes w ranks. A range that
    ends within a run of equal values (`starts`, from `tie_starts`) takes an equal share of each of them, so their order
    does not matter.
    """
    size, gap_sum = weight, weight * gap
    if starts is not None:
        size, gap_sum = np.add.reduceat(size, starts), np.add.reduceat(gap_sum, starts)
    return np.diff(_sums_until(size, gap_sum, ends))


def _sums_until(size: Floats, gap_sum: Floats, ends: Ints | Floats) -> Floats:
    """The sum of `gap_sum [N]` over the ranks below each end; item i takes `size[i]` ranks, which share its sum equally.

    Running sums of long arrays are slow, so few ends are looked up in the running sums of blocks, then within their block.
    """
    if len(size) < 4 * BLOCK * len(ends):
        return np.interp(ends, _from_0(size.cumsum()), _from_0(gap_sum.cumsum()))
    cuts = np.arange(0, len(size), BLOCK)
    ranks, sums = (_from_0(np.add.reduceat(numbers, cuts).cumsum()) for numbers in (size, gap_sum))
    block = np.minimum(np.searchsorted(ranks, ends, side="right") - 1, len(cuts) - 1)
    item = np.minimum(cuts[block][:, None] + np.arange(BLOCK), len(size) - 1)
    rank = ranks[block][:, None] + size[item].cumsum(axis=1)
    until = sums[block][:, None] + gap_sum[item].cumsum(axis=1)
    # The first item that reaches the end, without its part beyond the end.
    first = np.arange(len(ends)), np.minimum((rank < ends[:, None]).sum(axis=1), BLOCK - 1)
    beyond = (rank[first] - ends) / nonzero(size[item[first]])
    inside: Floats = until[first] - beyond * gap_sum[item[first]]
    return inside


def _from_0(running: Floats) -> Floats:
    return np.concatenate([[0.0], running])
