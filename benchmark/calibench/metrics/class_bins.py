"""The K x M table of class-wise bins (class k, bin of p_k), kept sparse: most of the N K entries lie in bin 0.

p_k > 1 / M holds for fewer than M classes of a row, so only those entries are listed; bin 0 of a class is the weighted
column total less what was listed. At N = 50 000 and K = 1 000 that is about 10^5 entries in place of 5 * 10^7.
"""

from __future__ import annotations

from dataclasses import dataclass

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints, bin_index
from calibench.metrics.judged import Judged
from calibench.metrics.metric import weighted_sums


@dataclass(frozen=True)
class ClassBins:
    """The entries above bin 0, flat: sample `row`, `cell = k * M + bin`, probability `p`, and `y = [label = k]`."""

    num_classes: int
    bins: int
    row: Ints
    cell: Ints
    p: Floats
    y: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """(K, M)."""
        return self.num_classes, self.bins

    def scatter(self, values: Floats | None) -> Floats:
        """Sum of `values` (one per listed entry; None counts them) in each cell, `[K, M]`; bin 0 stays 0."""
        flat = np.bincount(self.cell, weights=values, minlength=self.num_classes * self.bins)
        return flat.astype(np.float64, copy=False).reshape(self.shape)

    def complete(self, values: Floats | None, totals: Floats | float) -> Floats:
        """As `scatter`, with bin 0 of each class filled up to `totals [K]` over all samples."""
        table = self.scatter(values)
        table[:, 0] = totals - table.sum(axis=1)
        return table


def class_bins(judged: Judged, bins: int) -> ClassBins:
    """The table of `judged`, made once per number of bins."""
    return judged.memo(("class_bins", bins), lambda: _class_bins(judged, bins))


def _class_bins(judged: Judged, bins: int) -> ClassBins:
    probs = judged.probs
    # bin > 0 is p > 1 / M, the same comparison as in bin_index.
    row, column = np.nonzero(probs > 1 / bins) if bins > 1 else (np.empty(0, np.int64), np.empty(0, np.int64))
    p = probs[row, column]
    y = (judged.labels[row] == column).astype(np.float64)
    return ClassBins(judged.num_classes, bins, row, column * bins + bin_index(p, bins), p, y)


def class_gaps(judged: Judged, weights: Floats, bins: int) -> Floats:
    """Weighted `sum of (p_k - y_k)` of each class and bin in each resample, `[B, K, M]`, for weights `[B, N]`."""
    table = class_bins(judged, bins)
    totals = weighted_sums(weights, judged.probs)
    gap = table.p - table.y
    gaps = np.empty((len(weights), *table.shape))
    for b, row in enumerate(weights):
        count = np.bincount(judged.labels, weights=row, minlength=judged.num_classes)
        gaps[b] = table.complete(row[table.row] * gap, totals[b] - count)
    return gaps
