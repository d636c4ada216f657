"""Exact bounds on a share that was counted: Clopper & Pearson, Biometrika 26(4), 1934."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints


def upper_bound(hits: Ints | Floats, n: Ints | Floats, delta: float) -> Floats:
    """The largest share p with P(Binomial(n, p) <= hits) >= delta: p lies above it with probability delta at most.

    The 1 - delta quantile of Beta(hits + 1, n - hits); 1 where hits = n.
    """
    from scipy.special import betaincinv

    hits, n = np.asarray(hits, dtype=np.float64), np.asarray(n, dtype=np.float64)
    # Beta(., 0) is no distribution; its quantile is replaced right after.
    found: Floats = betaincinv(hits + 1, np.maximum(n - hits, 1), 1 - delta)
    return np.where(hits >= n, 1.0, found)


def lower_bound(hits: Ints | Floats, n: Ints | Floats, delta: float) -> Floats:
    """The smallest share p with P(Binomial(n, p) >= hits) >= delta; 0 where hits = 0."""
    missed: Floats = np.asarray(n, dtype=np.float64) - hits
    return 1 - upper_bound(missed, n, delta)
