"""Gap sums of groups of equally many samples in each resample, where a resample is ranked and split anew."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.resamples import Ranges, Resamples

BLOCK = 64
"""Ranked samples in a block of running sums."""


def blocks_of_ranks(order: Ints) -> Ranges:
    """The samples in rank order, in blocks of 64."""
    from calibench.metrics.resamples import ranges_of

    return ranges_of(order, np.minimum(np.arange(BLOCK, len(order) + BLOCK, BLOCK), len(order)))


def group_gap_sums(resamples: Resamples, order: Ints, gap: Floats, ranges: Ranges, ends: Ints) -> Floats:
    """The sum of `gap [N]`, in rank order, over each group of ranks, `[B, M]`: group m ends at rank `ends[b, m]`.

    A group may end within the copies of a sample: some belong to it, the others to the next group. The groups hold all ranks.
    """
    count, (sums,) = resamples.range_sums(gap[None], ranges)
    until, running = count.cumsum(axis=1), sums.cumsum(axis=1)
    inner = ends[:, :-1]
    block = _first_at_least(until, inner)
    resample = np.arange(len(ends))[:, None]
    item = block[..., None] * BLOCK + np.arange(BLOCK)
    inside = item < len(order)
    item = np.minimum(item, len(order) - 1)
    weight = resamples.counts_of(order[item], resample[..., None]) * inside
    gaps = weight * gap[item]
    rank = (until - count)[resample, block][..., None] + weight.cumsum(axis=-1)
    # The first item that reaches the end: its copies beyond the end, and all items after it, are in the next group.
    first = np.minimum((rank < inner[..., None]).sum(axis=-1, keepdims=True), BLOCK - 1)

    def at_first(values: Floats) -> Floats:
        return np.take_along_axis(values, first, axis=-1)[..., 0]

    copies = at_first(weight) - (at_first(rank) - inner)
    before = (running - sums)[resample, block] + at_first(gaps.cumsum(axis=-1)) - at_first(gaps)
    until_end = before + copies * gap[at_first(item)]
    edges = np.zeros((len(ends), 1))
    return np.diff(np.concatenate([edges, until_end, running[:, -1:]], axis=1), axis=1)


def _first_at_least(rising: Floats, values: Ints) -> Ints:
    """The first place in each row of `rising [B, S]` that is at least each of `values [B, M]`; the last place if none is."""
    step = float(rising[:, -1].max()) + 1
    row = np.arange(len(rising))[:, None]
    place = np.searchsorted((rising + step * row).ravel(), (values + step * row).ravel(), side="left")
    return np.minimum(place.reshape(values.shape) - row * rising.shape[1], rising.shape[1] - 1)
