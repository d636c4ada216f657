"""The numbers of a reliability diagram: confidence and accuracy per bin, with an interval. `report/diagram.py` draws it."""

from __future__ import annotations

from dataclasses import dataclass

from calibench.lazy import np
from calibench.metrics.bin_sums import bin_sums
from calibench.metrics.binning import bin_edges
from calibench.metrics.judged import Judged
from calibench.metrics.mean_interval import wilson_interval


@dataclass(frozen=True)
class ReliabilityBin:
    """One bin `(lo, hi]`: its count, mean confidence, accuracy and the 95 % interval of accuracy; None if it is empty."""

    lo: float
    hi: float
    count: int
    confidence: float | None
    accuracy: float | None
    accuracy_interval: tuple[float, float] | None


def reliability(judged: Judged, bins: int = 15) -> list[ReliabilityBin]:
    """The M equal-width bins of the confidence in the predicted class, from low to high; fractions.

    Of weighted samples, the interval of a bin is Wilson's with the effective number of its samples.
    """
    edges, stats, effective = bin_edges(bins), judged.stats(bins), bin_sums(judged, bins).effective
    weighted = judged.sample_weight is not None
    samples = np.bincount(judged.bin_index(bins), minlength=bins) if weighted else effective
    rows = []
    for b in range(bins):
        count, confidence, correct = (float(t[b]) for t in (stats.count, stats.confidence_sum, stats.correct_sum))
        filled, n = count > 0, float(effective[b])
        rows.append(
            ReliabilityBin(
                lo=float(edges[b]),
                hi=float(edges[b + 1]),
                count=int(samples[b]),
                confidence=confidence / count if filled else None,
                accuracy=correct / count if filled else None,
                accuracy_interval=wilson_interval(correct if n == count else correct * n / count, n)
                if filled
                else None,
            )
        )
    return rows
