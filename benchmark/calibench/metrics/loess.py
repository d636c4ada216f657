"""Local linear regression with tricube weights (loess), at up to 100 points, with straight lines between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints

POINTS = 100
"""The curve is fitted at all distinct x if there are at most so many, else at evenly spaced ranks, both ends included."""

BLOCK_NUMBERS = 1 << 15
"""Points are fitted together while their distances are at most so many, so that they stay in the cache."""

SMALLEST_VARIANCE = 1e-12
"""Below this weighted variance of x, in units of the squared bandwidth, the local fit is the weighted mean."""


class Curve(NamedTuple):
    """The fits at the points; between them the curve is straight."""

    points: Floats
    """The x of each point, ascending, `[G]`."""
    fits: Floats
    """`[G]`, or `[G, X]`: the share of the sum of y at each distinct x in the fit."""

    def at(self, x: Floats) -> Floats:
        """The curve at `x [N]`, `[N]`."""
        return np.interp(x, self.points, self.fits)


def loess(x: Floats, count: Floats, total: Floats, span: float) -> Curve:
    """The curve of samples at distinct ascending `x [X]`: `count [X]` >= 1 of each, `total [X]` the sum of their y.

    The bandwidth h at a point is the distance to its q-th nearest sample, q = floor(span n), at least 1. Samples at distance
    d weigh `(1 - (d / h)^3)^3`; if h = 0, those at the point weigh 1 and all others 0.
    """
    points = x[_places(count.cumsum())]
    fits = np.empty(len(points))
    for rows, near, local in _local_fits(x, count, points, span):
        mean_y = _sums(local.kernel, total[near]) / local.weight
        covariance = _sums(local.kernel * local.distance, total[near]) / local.weight - local.mean * mean_y
        fits[rows] = mean_y - local.tilt * covariance
    return Curve(points, fits)


def loess_matrix(x: Floats, count: Floats, span: float) -> Curve:
    """The same curve for any y: the fit at point g is `fits[g] @ total`."""
    points = x[_places(count.cumsum())]
    fits = np.zeros((len(points), len(x)))
    for rows, near, local in _local_fits(x, count, points, span):
        slant = 1 - local.tilt[:, None] * (local.distance - local.mean[:, None])
        fits[rows, near] = local.kernel * slant / local.weight[:, None]
    return Curve(points, fits)


class _Local(NamedTuple):
    """The local fits of some points, `[g]`, or `[g, x]` for each distinct x within their bandwidths."""

    kernel: Floats
    distance: Floats
    """x less the point."""
    weight: Floats
    """Sum of the kernel over samples."""
    mean: Floats
    """Mean distance under the kernel."""
    tilt: Floats
    """mean / variance of the distance: the slope of y, times the mean, is `tilt * covariance`; 0 for a fit without slope."""


def _local_fits(x: Floats, count: Floats, points: Floats, span: float) -> Iterator[tuple[slice, slice, _Local]]:
    """The local fits, a few points at a time: which points, the distinct x within their bandwidths, and the fits."""
    last_rank = count.cumsum()
    width = _bandwidths(points, x, last_rank, max(1, int(np.floor(span * last_rank[-1] + 1e-9))))
    block = max(1, BLOCK_NUMBERS // len(x))
    for start in range(0, len(points), block):
        rows = slice(start, start + block)
        h = width[rows, None]
        reach = points[rows] - width[rows], points[rows] + width[rows]
        near = slice(int(np.searchsorted(x, reach[0].min())), int(np.searchsorted(x, reach[1].max(), side="right")))
        distance = x[near] - points[rows, None]
        kernel = np.abs(distance)
        kernel /= np.where(h > 0, h, 1)
        kernel *= kernel * kernel
        np.subtract(1, kernel, out=kernel)
        np.maximum(kernel, 0, out=kernel)
        kernel *= kernel * kernel
        if not h.all():
            kernel = np.where(h > 0, kernel, distance == 0)
        weight = _sums(kernel, count[near])
        moment = kernel * distance
        mean = _sums(moment, count[near]) / weight
        moment *= distance
        variance = _sums(moment, count[near]) / weight - mean**2
        linear = variance > SMALLEST_VARIANCE * width[rows] ** 2
        yield (
            rows,
            near,
            _Local(kernel, distance, weight, mean, np.where(linear, mean / np.where(linear, variance, 1), 0)),
        )


def _sums(rows: Floats, values: Floats) -> Floats:
    """`rows [g, X] @ values [X]` without BLAS: threads would change the order of sums."""
    sums: Floats = np.einsum("gx,x->g", rows, values)
    return sums


def _places(last_rank: Floats) -> Ints:
    """Which of the distinct x are points, `[G]`."""
    if len(last_rank) <= POINTS:
        return np.arange(len(last_rank))
    ranks = np.ceil(np.linspace(0, last_rank[-1], POINTS))
    return np.unique(np.searchsorted(last_rank, np.maximum(ranks, 1)))


def _bandwidths(points: Floats, x: Floats, last_rank: Floats, nearest: int) -> Floats:
    """The distance of each point to its `nearest`-th nearest sample, `[G]`: found by halving, as the nearest are neighbours."""
    first, last = np.zeros(len(points)), np.full(len(points), last_rank[-1] - nearest)

    def at_rank(rank: Floats) -> Floats:
        return x[np.searchsorted(last_rank, rank, side="right")]

    # The window of samples start .. start + nearest - 1 has the smallest reach where its left end stops being farther away.
    while (first < last).any():
        start = np.floor((first + last) / 2)
        left_is_farther = points - at_rank(start) > at_rank(np.minimum(start + nearest, last_rank[-1] - 1)) - points
        moves = first < last
        first = np.where(moves & left_is_farther, start + 1, first)
        last = np.where(moves & ~left_is_farther, start, last)
    return np.maximum(points - at_rank(first), at_rank(first + nearest - 1) - points)
