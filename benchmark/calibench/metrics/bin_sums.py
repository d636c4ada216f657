"""Sums of each equal-width bin in each resample: ECE, MCE and their kin are made of these."""

from __future__ import annotations

from dataclasses import dataclass

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.resamples import Ranges, Resamples, bin_ranges

GRID = 2.0**30
"""Coarse parts of confidences are multiples of 1 / GRID."""


@dataclass(frozen=True)
class BinSums:
    """Coarse and fine parts of the confidence, right answers and counts of each bin, `[B, M]` each.

    The coarse part of a confidence is a multiple of 2^-30 and the fine part is the rest, so both sums are exact up to about
    4 million samples.
    """

    coarse: Floats
    fine: Floats
    correct: Floats
    count: Floats

    @property
    def gap(self) -> Floats:
        """`sum(confidence) - sum(correct)`."""
        gap: Floats = self.coarse - self.correct + self.fine
        return gap


def bin_sums(judged: Judged, resamples: Resamples, bins: int) -> BinSums:
    """The sums of M bins; taken once for all metrics with as many bins."""

    def make() -> BinSums:
        columns, ranges = judged.memo(("bin_columns", bins), lambda: _columns(judged, bins))
        count, (coarse, fine, correct) = resamples.range_sums(columns, ranges)
        return BinSums(coarse, fine, correct, count)

    return resamples.memo(("bin_sums", bins), make)


def _columns(judged: Judged, bins: int) -> tuple[Floats, Ranges]:
    """`[3, N]`: the numbers of each sample that `BinSums` adds, bin by bin, and the range of each bin."""
    order, ranges = bin_ranges(judged.bin_index(bins), bins)
    confidence = judged.confidence[order]
    coarse = np.rint(confidence * GRID) / GRID
    return np.stack([coarse, confidence - coarse, judged.correct[order]]), ranges
