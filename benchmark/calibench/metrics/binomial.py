"""Exact bounds on a share, from counts: Clopper & Pearson, Biometrika 26(4), 1934."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints


def upper_bound(hits: Ints | Floats, n: Ints | Floats, delta: float) -> Floats:
    """The largest share p with P(Binomial(n, p) <= hits) >= delta. The true p lies above it with probability delta at most.

    It is the 1 - delta quantile of Beta(hits + 1, n - hits), and 1 where hits = n.
    """
    from scipy.special import betaincinv

    hits, n = np.asarray(hits, dtype=np.float64), np.asarray(n, dtype=np.float64)
    # Beta(., 0) is no distribution: where hits = n the quantile is that of Beta(., 1), and is replaced below.
    quantile: Floats = betaincinv(hits + 1, np.maximum(n - hits, 1), 1 - delta)
    return np.where(hits >= n, 1.0, quantile)


def lower_bound(hits: Ints | Floats, n: Ints | Floats, delta: float) -> Floats:
    """The smallest share p with P(Binomial(n, p) >= hits) >= delta; 0 where hits = 0."""
    misses: Floats = np.asarray(n, dtype=np.float64) - hits
    return 1 - upper_bound(misses, n, delta)
