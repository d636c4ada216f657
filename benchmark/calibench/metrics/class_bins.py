"""The K x M table of class-wise bins: row k holds the bins of p_k.

The table is sparse, because most of the N K probabilities lie in bin 0. In each sample p_k > 1 / M holds for fewer than M
classes, so only those entries are listed. Bin 0 of a class is the class's total minus its listed entries. At N = 50 000 and
K = 1 000 the table lists about 10^5 entries in place of 5 * 10^7.
"""

from __future__ import annotations

from dataclasses import dataclass

from calibench.lazy import np, torch
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.judged import Judged
from calibench.metrics.resamples import Ranges, Resamples, bin_ranges, ranges_of


@dataclass(frozen=True)
class ClassBins:
    """The entries above bin 0, `[E]` each: sample `row`, `cell = k * M + bin`, probability `p`, and `y = [label = k]`."""

    num_classes: int
    bins: int
    row: Ints
    cell: Ints
    p: Floats
    y: Floats
    p_sums: Floats
    """The sum of p in each bin of each class, `[K, M]`."""
    square_sums: Floats
    """The sum of p^2, `[K, M]`."""

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
    from calibench.kernels import class_table

    table = class_table(judged.scores, bins, from_probs=judged.from_probs)
    row, cell = table.row.numpy(), table.cell.numpy()
    y = (judged.labels[row] == cell // bins).astype(np.float64)
    p_sums, square_sums = table.moments.numpy().reshape(2, judged.num_classes, bins)
    return ClassBins(judged.num_classes, bins, row, cell, table.p.numpy(), y, p_sums, square_sums)


def class_gaps(judged: Judged, bins: int) -> Floats:
    """`sum of (p_k - y_k)` of each class and bin, `[K, M]`."""
    table = class_bins(judged, bins)
    labels = np.bincount(judged.labels, minlength=judged.num_classes).astype(np.float64)
    gaps: Floats = table.p_sums - table.complete(table.y, labels)
    return gaps


def resampled_class_errors(judged: Judged, resamples: Resamples, bins: int) -> Floats:
    """The sum over classes and bins of |weighted gap| in each of a block of resamples, `[B]`."""
    gaps, cells = judged.memo(("class_gap_cells", bins), lambda: _cells(class_bins(judged, bins)))
    _, by_label = judged.memo("by_label", lambda: bin_ranges(judged.labels, judged.num_classes))
    return resamples.class_errors(judged, gaps, cells, by_label)


def _cells(table: ClassBins) -> tuple[Floats, Ranges]:
    """The gap of each entry, cell by cell, `[E]`, and the range of each cell; an entry is an item, its sample the row."""
    order = np.argsort(table.cell, kind="stable")
    ends = np.bincount(table.cell, minlength=table.num_classes * table.bins).cumsum()
    return (table.p - table.y)[order], ranges_of(table.row[order], ends)


def label_gap_sizes(offset: Floats, factor: Floats, counts: Floats | Ints) -> Floats:
    """`sum over cells of |offset - factor * labels|` in each draw, `[D]`, for drawn labels `counts [C, D]`, whole numbers."""
    from calibench.kernels import gap_sizes

    draws = counts.shape[1]
    if counts.dtype != np.int32 or draws % 8 or not counts.flags.c_contiguous:
        padded = np.zeros((len(counts), -(-draws // 8) * 8), dtype=np.int32)
        padded[:, :draws] = counts
        counts = padded
    sizes = gap_sizes(*map(torch.from_numpy, (counts, offset, factor)))
    return sizes.numpy()[:draws]
