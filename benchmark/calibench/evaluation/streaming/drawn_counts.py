"""Labels drawn from the probabilities of each block, counted over all blocks: noise floors and the verdict need them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from calibench.evaluation.counts import ClassCounts, RightAnswers
from calibench.evaluation.streaming.figures import of_bins
from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.classwise_ece import ClasswiseECE
from calibench.metrics.ece_debiased import DebiasedECE
from calibench.metrics.equal_width import BinnedMetric
from calibench.metrics.floor_counts import FloorCounts, LabelsInBins, RightInCells, counted_draws
from calibench.metrics.has_draws import HasDraws
from calibench.metrics.judged import Judged
from calibench.metrics.noise_floor import DRAWS

MOST_NUMBERS = 1 << 26
"""The table of the drawn labels of all classes has at most so many numbers (256 MB)."""

MOST_ROWS = 1 << 31
"""Of more rows a count may not fit into 32 bits."""

CLASS_BINS = 15
"""Bins of every class in which the verdict counts labels."""


def why_not_drawn(rows: int, num_classes: int) -> str | None:
    """The reason why no labels are drawn in one pass; None if they are."""
    if num_classes * CLASS_BINS * DRAWS > MOST_NUMBERS:
        most = MOST_NUMBERS // CLASS_BINS // DRAWS
        return f"in one pass labels of at most {most} classes are drawn, and there are {num_classes}"
    return None if rows < MOST_ROWS else f"in one pass labels of fewer than {MOST_ROWS} samples are drawn"


class DrawnCounts:
    """Counts over all blocks in each of `DRAWS` draws, by what is counted: `[C, DRAWS]` each.

    The first block has the random numbers of a file that is judged whole, each other block has its own.
    """

    def __init__(self, num_classes: int, bins: Collection[int], of_classes: Collection[int], seed: int) -> None:
        self.bins, self.of_classes, self.seed, self.parts = bins, of_classes, seed, 0
        sizes = {_right(bins): bins for bins in (0, *self.bins)}
        sizes |= {_labels(bins): num_classes * bins for bins in of_classes}
        self.tables: dict[str, Ints] = {
            name: np.zeros((max(size, 1), DRAWS), dtype=np.int32) for name, size in sizes.items()
        }

    def add(self, judged: Judged) -> None:
        """Draw labels for the samples of a block, and count them."""
        wanted: dict[str, FloorCounts] = {_right(0): RightInCells(np.zeros(judged.n, dtype=np.int64), 1)}
        wanted |= {_right(bins): RightInCells(judged.bin_index(bins), bins) for bins in self.bins}
        wanted |= {_labels(bins): LabelsInBins(bins) for bins in self.of_classes}
        done = dict.fromkeys(wanted, 0)
        for counted in counted_draws(judged, wanted, DRAWS, self.seed, self.parts):
            for name, counts in counted.items():
                self.tables[name][:, done[name] : done[name] + counts.shape[1]] += counts.astype(np.int32, copy=False)
                done[name] += counts.shape[1]
        self.parts += 1

    def figures(self, judged: Judged, metrics: Mapping[str, HasDraws]) -> dict[str, Floats]:
        """The figure of each metric in each draw, where it follows from the counts; `judged` holds the sums of all blocks."""
        return {
            name: metric.floor_of_counts(judged, self.tables[table])
            for name, metric in metrics.items()
            if (table := _table_of(metric, judged)) in self.tables
        }


def _right(bins: int) -> str:
    return f"right in {bins} bins"


def _labels(bins: int) -> str:
    return f"labels in {bins} bins"


def _table_of(metric: HasDraws, judged: Judged) -> str:
    """The name of the table that the figure follows from; empty if it has no noise floor."""
    metric = of_bins(metric)
    if isinstance(metric, RightAnswers):
        return _right(0)
    if isinstance(metric, ClassCounts):
        return _labels(CLASS_BINS)
    if isinstance(metric, ClasswiseECE):
        return _labels(metric.bins)
    if isinstance(metric, DebiasedECE):  # it is undefined without a bin of two samples
        return _right(metric.bins) if judged.stats(metric.bins).count.max() > 1 else ""
    counts_right = isinstance(metric, BinnedMetric) and type(metric).floor_counts is BinnedMetric.floor_counts
    return _right(metric.bins) if isinstance(metric, BinnedMetric) and counts_right else ""
