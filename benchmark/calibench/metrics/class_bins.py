"""The K x M table of class-wise bins: row k holds the bins of p_k.

The table is sparse, because most of the N K probabilities lie in bin 0. In each sample p_k > 1 / M holds for fewer than M
classes, so only those entries are listed. Bin 0 of a class is the class's total minus its listed entries. At N = 50 000 and
K = 1 000 the table lists about 10^5 entries in place of 5 * 10^7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.judged import Judged
from calibench.metrics.resamples import GRID, Resamples, ranges_of
from calibench.outputs.arrays import as_array


@dataclass(frozen=True)
class ClassBins:
    """The E entries above bin 0, cell by cell, where cell = k * M + bin: sample `row [E]` and its `gap [E]`, p - y.

    Gaps are int32 in units of 2^-30. y is 1 where the label is k. Cell c ends at entry `ends[c]`, `[K M]`; bin 0 is empty.
    """

    num_classes: int
    bins: int
    samples: int
    row: Ints
    gap: Ints
    ends: Ints
    p_sums: Floats
    """The sum of p in each bin of each class, `[K, M]`."""
    square_sums: Floats
    """The sum of p^2, `[K, M]`."""

    @property
    def counts(self) -> Floats:
        """The number of probabilities in each bin of each class, `[K, M]`."""
        return self._complete(np.diff(self.ends, prepend=0).astype(np.float64), float(self.samples))

    def label_sums(self, per_label: Floats, label_probs: Floats | None = None) -> Floats:
        """The number of labels in each bin of their class, `[K, M]`, or the sum of their probabilities.

        `per_label [K]` are the sums over all samples of a label; `label_probs [N]` are the probabilities of the labels.
        """
        is_label = self.gap <= 0  # p - 1; all others are p, which is above bin 0
        weights = None if label_probs is None else label_probs[self.row[is_label]]
        sums = np.bincount(self.cells[is_label], weights=weights, minlength=self.num_classes * self.bins)
        return self._complete(sums.astype(np.float64), per_label)

    @property
    def cells(self) -> Ints:
        """The cell of each entry, `[E]`."""
        return np.repeat(np.arange(len(self.ends)), np.diff(self.ends, prepend=0))

    def _complete(self, sums: Floats, totals: Floats | float) -> Floats:
        """`[K, M]` with bin 0 of each class such that its row sums to the totals over all samples."""
        table = sums.reshape(self.num_classes, self.bins)
        table[:, 0] = totals - table[:, 1:].sum(axis=1)
        return table


def class_bins(judged: Judged, bins: int) -> ClassBins:
    """The table of `judged`, built once per number of bins."""
    return judged.memo(("class_bins", bins), lambda: _class_bins(judged, bins))


def _class_bins(judged: Judged, bins: int) -> ClassBins:
    from calibench.kernels import class_table

    table = class_table(judged.scores, bins, from_probs=judged.from_probs)
    size = judged.num_classes * bins
    cell, row = as_array(table.cell), as_array(table.row)
    # Rounded as the totals of `resample_class_gaps` are, so that bin 0, the rest of them, has no error of its own.
    gap = 2 * np.floor(as_array(table.p) * (GRID / 2) + 0.5).astype(np.int32)
    gap[judged.labels[row] == cell // bins] -= round(GRID)
    order = np.argsort(cell.astype(np.min_scalar_type(size)), kind="stable")
    row, gaps = row[order], cast(Ints, gap[order])
    ends = np.bincount(cell, minlength=size).cumsum()
    p_sums, square_sums = as_array(table.moments).reshape(2, judged.num_classes, bins)
    return ClassBins(judged.num_classes, bins, judged.n, row, gaps, ends, p_sums, square_sums)


def class_gaps(judged: Judged, bins: int) -> Floats:
    """`sum of (p_k - y_k)` of each class and bin, `[K, M]`."""
    table = class_bins(judged, bins)
    gaps: Floats = table.p_sums - table.label_sums(label_counts(judged))
    return gaps


def label_counts(judged: Judged) -> Floats:
    """The number of samples of each label, `[K]`."""
    return judged.memo(
        "label_counts", lambda: np.bincount(judged.labels, minlength=judged.num_classes).astype(np.float64)
    )


def resampled_class_errors(judged: Judged, resamples: Resamples, bins: int) -> Floats:
    """The sum over classes and bins of |weighted gap| in each of a block of resamples, `[B]`."""
    table = class_bins(judged, bins)
    cells = judged.memo(("class_cells", bins), lambda: ranges_of(table.row, table.ends))
    return resamples.class_errors(judged, table.gap, cells)


def label_gap_sizes(offset: Floats, factor: Floats, counts: Floats | Ints) -> Floats:
    """`sum over cells of |offset - factor * labels|` in each draw, `[D]`, for drawn labels `counts [C, D]`, whole numbers."""
    from calibench.kernels import gap_sizes

    draws = counts.shape[1]
    if counts.dtype != np.int32 or draws % 8 or not counts.flags.c_contiguous:
        padded = np.zeros((len(counts), -(-draws // 8) * 8), dtype=np.int32)
        padded[:, :draws] = counts
        counts = padded
    sizes: Floats = gap_sizes(counts, offset, factor)
    return sizes[:draws]
