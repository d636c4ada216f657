"""The numbers of a reliability diagram: confidence and accuracy per bin, with an interval. `report/diagram.py` draws it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from calibench.metrics.binning import bin_edges
from calibench.metrics.judged import Judged

Z95 = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""


@dataclass(frozen=True)
class ReliabilityBin:
    """One bin `(lo, hi]`: its count, mean confidence, accuracy and the 95 % interval of accuracy; None if it is empty."""

    lo: float
    hi: float
    count: int
    confidence: float | None
    accuracy: float | None
    accuracy_interval: tuple[float, float] | None


def wilson_interval(successes: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Wilson score interval of a share `successes / n`, n >= 1, within [0, 1].

    `(p + z^2/2n +- z sqrt(p (1 - p) / n + z^2/4n^2)) / (1 + z^2/n)`. Source: Wilson 1927.
    """
    share = successes / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if successes == 0 else (centre - half) / scale
    high = 1.0 if successes == n else (centre + half) / scale
    return low, high


def reliability(judged: Judged, bins: int = 15) -> list[ReliabilityBin]:
    """The M equal-width bins of the confidence in the predicted class, from low to high; fractions."""
    edges, stats = bin_edges(bins), judged.stats(bins)
    rows = []
    for b in range(bins):
        count, confidence, correct = (float(t[b]) for t in (stats.count, stats.confidence_sum, stats.correct_sum))
        filled = count > 0
        rows.append(
            ReliabilityBin(
                lo=float(edges[b]),
                hi=float(edges[b + 1]),
                count=int(count),
                confidence=confidence / count if filled else None,
                accuracy=correct / count if filled else None,
                accuracy_interval=wilson_interval(correct, count) if filled else None,
            )
        )
    return rows
