"""The K x M table of class-wise bins: row k holds the bins of p_k.

The table is sparse, because most of the N K probabilities lie in bin 0. In each sample p_k > 1 / M holds for fewer than M
classes, so only those entries are listed. Bin 0 of a class is the class's total minus its listed entries. At N = 50 000 and
K = 1 000 the table lists about 10^5 entries in place of 5 * 10^7.
"""

from __future__ import annotations

from dataclasses import dataclass

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints, bin_index
from calibench.metrics.judged import Judged
from calibench.metrics.resamples import Ranges, Resamples, bin_ranges, ranges_of
from calibench.metrics.weighted import weighted_sums


@dataclass(frozen=True)
class ClassBins:
    """The entries above bin 0, `[E]` each: sample `row`, `cell = k * M + bin`, probability `p`, and `y = [label = k]`."""

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
        """Sum of `values [E]` in each cell, `[K, M]`, with 0 in bin 0; None counts the entries."""
        flat = np.bincount(self.cell, weights=values, minlength=self.num_classes * self.bins)
        return flat.astype(np.float64, copy=False).reshape(self.shape)

    def complete(self, values: Floats | None, totals: Floats | float) -> Floats:
        """As `scatter`, with bin 0 of each class such that its row sums to `totals [K]`, the totals over all samples."""
        table = self.scatter(values)
        table[:, 0] = totals - table.sum(axis=1)
        return table


def class_bins(judged: Judged, bins: int) -> ClassBins:
    """The table of `judged`, built once per number of bins."""
    return judged.memo(("class_bins", bins), lambda: _class_bins(judged, bins))


def _class_bins(judged: Judged, bins: int) -> ClassBins:
    probs = judged.probs
    # bin > 0 means p > 1 / M, the same comparison as in bin_index.
    row, column = np.nonzero(probs > 1 / bins) if bins > 1 else (np.empty(0, np.int64), np.empty(0, np.int64))
    p = probs[row, column]
    y = (judged.labels[row] == column).astype(np.float64)
    return ClassBins(judged.num_classes, bins, row, column * bins + bin_index(p, bins), p, y)


def class_gaps(judged: Judged, weights: Floats, bins: int) -> Floats:
    """Weighted `sum of (p_k - y_k)` of each class and bin in each resample, `[B, K, M]`, for weights `[B, N]`."""
    table = class_bins(judged, bins)
    p_totals = weighted_sums(weights, judged.probs)
    gap = table.p - table.y
    gap_sums = np.empty((len(weights), *table.shape))
    for b, row in enumerate(weights):
        label_counts = np.bincount(judged.labels, weights=row, minlength=judged.num_classes)
        gap_sums[b] = table.complete(row[table.row] * gap, p_totals[b] - label_counts)
    return gap_sums


def resampled_class_gaps(judged: Judged, resamples: Resamples, bins: int) -> Floats:
    """`class_gaps` of a block of resamples, `[B, K, M]`."""
    table = class_bins(judged, bins)
    gap, cells = judged.memo(("class_gap_cells", bins), lambda: _cells(table))
    _, by_label = judged.memo("by_label", lambda: bin_ranges(judged.labels, judged.num_classes))
    _, (sums,) = resamples.range_sums(gap[None], cells)
    gap_sums = sums.reshape(-1, *table.shape)
    label_counts, _ = resamples.range_sums(np.empty((0, judged.n)), by_label)
    p_totals, _ = resamples.sums(judged.probs.T)
    gap_sums[:, :, 0] = p_totals.T - label_counts - gap_sums.sum(axis=2)
    return gap_sums


def _cells(table: ClassBins) -> tuple[Floats, Ranges]:
    """The gap of each entry, cell by cell, `[E]`, and the range of each cell; an entry is an item, its sample the row."""
    order = np.argsort(table.cell, kind="stable")
    ends = np.bincount(table.cell, minlength=table.num_classes * table.bins).cumsum()
    return (table.p - table.y)[order], ranges_of(table.row[order], ends)
