"""The cells over which gaps are added, and the noise of their sums: bins of the top label, and bins of every class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.class_bins import class_bins, label_counts, label_gap_sizes
from calibench.metrics.gap_shapes import CellSums, gap_shapes
from calibench.metrics.judged import Judged
from calibench.metrics.redrawn_labels import MOST_ROWS, LabelsRedrawn
from calibench.metrics.sample_weight import nonzero


class Cells(ABC):
    """Cells, whose gaps have a shape: a mean gap for each of B `sums.count` bins. A bin holds one cell or several."""

    sums: CellSums
    """What the bins hold."""
    observed: Floats
    """The gap sum of each cell, `[C]`."""

    @cached_property
    def shapes(self) -> list[Floats]:
        """Guesses of the shape, `[B]` each, the best one last."""
        return gap_shapes(self.sums)

    @abstractmethod
    def of_shape(self, shape: Floats) -> Floats:
        """The gap sum of each cell, `[C]`, if every sample in a bin has the gap `shape [B]`."""


class TopCells(Cells):
    """Cells of the top label: bins of the confidence, or parts of such bins. Their labels are independent of each other."""

    def __init__(
        self, p: Floats, y: Floats, bins: Ints, cells: Ints | None = None, weights: Floats | None = None
    ) -> None:
        """`p [N]` is the probability that y is 1. `bins [N]` and `cells [N]` number them from 0; a cell lies in one bin.

        With `weights [N]` all sums are weighted, and the count is the sum of the weights.
        """
        bin_count = int(bins.max()) + 1
        w = np.ones(len(p)) if weights is None else weights

        def add(values: Floats) -> Floats:
            return np.bincount(bins, weights=values, minlength=bin_count).astype(np.float64)

        self.sums = CellSums(add(w), add(w * p), add(w * w * p * (1 - p)), add(w * y))
        index = bins if cells is None else cells
        self.count = np.bincount(index, weights=w).astype(np.float64)
        self.squares = np.bincount(index, weights=w * w).astype(np.float64)
        self.p = np.bincount(index, weights=w * p).astype(np.float64)
        self.observed = self.p - np.bincount(index, weights=w * y)
        self.weighted = weights is not None
        self.bin_of_cell = np.zeros(len(self.count), dtype=np.int64)
        self.bin_of_cell[index] = bins

    def of_shape(self, shape: Floats) -> Floats:
        """The number of samples times the gap."""
        return self.count * shape[self.bin_of_cell]

    def noise(self, draws: int, generator: np.random.Generator) -> Floats:
        """What label noise adds to the gap sums in each draw, `[D, C]`, if the gaps are those of the best guess.

        It is binomial: the samples of a cell count as if they had its mean probability. Of weighted samples, it is that of the
        effective number of samples of the cell, with the variance `sum w^2 r (1 - r)`, r the rate.
        """
        filled = self.count > 0
        mean_p = self.p / nonzero(self.count)
        rate = np.where(filled, np.clip(mean_p - self.shapes[-1][self.bin_of_cell], 0, 1), 0)
        number = np.maximum(np.rint(self.count**2 / nonzero(self.squares)), filled)
        drawn = generator.binomial(number.astype(np.int64), rate, size=(draws, len(rate)))
        noise: Floats = number * rate - drawn
        return noise * np.sqrt(self.squares / nonzero(number)) if self.weighted else noise

    def recount(self, draws: int, generator: np.random.Generator) -> Floats:
        """How many samples each cell has in other samples of as many, relative to this one, `[D, C]`: multinomial in the bins.

        Of weighted samples, the effective number of each bin is Poisson, and the weight of all is that of this sample.
        """
        count = self.sums.count
        if self.weighted:
            squares = np.bincount(self.bin_of_cell, weights=self.squares, minlength=len(count))
            number = count**2 / nonzero(squares)
            ratio = generator.poisson(number, size=(draws, len(count))) / nonzero(number)
            ratio = ratio / nonzero(ratio @ count / count.sum())[:, None]
        else:
            total = int(count.sum())
            ratio = generator.multinomial(total, count / total, size=draws) / nonzero(count)
        of_cells: Floats = ratio[:, self.bin_of_cell]
        return of_cells


class ClassCells(Cells):
    """The K M cells of M bins of every class. One label fills one cell and misses K - 1 others, so cells depend on each other."""

    def __init__(self, judged: Judged, bins: int) -> None:
        self.judged, self.bins = judged, bins
        self.table = class_bins(judged, bins)
        count, y = self.table.counts, self.table.label_sums(label_counts(judged))
        p, square = self.table.p_sums, self.table.square_sums
        group = np.repeat(np.arange(judged.num_classes), bins)
        self.sums = CellSums(count.ravel(), p.ravel(), np.maximum(p - square, 0).ravel(), y.ravel(), group)
        self.observed = self.sums.gap

    def of_shape(self, shape: Floats) -> Floats:
        """The number of samples times the gap."""
        return self.sums.count * shape

    @cached_property
    def redrawn(self) -> LabelsRedrawn:
        """The probabilities without the gaps of the best guess."""
        return LabelsRedrawn(self.judged, self.bins, self.sums, self.shapes[-1])

    def noise(self, draws: int, generator: np.random.Generator) -> ClassNoise:
        """Labels are drawn from the probabilities without their gaps.

        A cell may hold samples whose gaps differ. The variance is therefore raised to that of as many samples at the mean.
        """
        expected, variance = self.redrawn.moments()
        count = self.sums.count * (self.redrawn.rows / self.judged.n)
        rate = np.clip(expected / np.maximum(count, 1e-300), 0, 1)
        pooled = np.maximum(count * rate * (1 - rate), variance)
        factor = np.sqrt(pooled / np.where(variance > 0, variance, 1)) * np.sqrt(self.judged.n / self.redrawn.rows)
        counts = self.redrawn.counts(draws, int(generator.integers(1 << 62)))
        return ClassNoise(counts, expected * factor, factor, draws)

    @cached_property
    def _thinned(self) -> tuple[Ints, Ints, Ints]:
        """The cells of the entries above bin 0 of evenly spaced samples, that of bin 0 of the class, and the sample's place."""
        rows = min(self.judged.n, MOST_ROWS)
        place = np.full(self.judged.n, -1)
        place[np.arange(rows) * self.judged.n // rows] = np.arange(rows)
        of_entry = place[self.table.row]
        cell = self.table.cells[of_entry >= 0]
        return cell, cell // self.bins * self.bins, of_entry[of_entry >= 0]

    def spread(self, shape: Floats) -> float:
        """The standard deviation of the class-wise ECE of a shape over samples, without label noise.

        A sample adds to one cell of each class, so this error is a mean over samples of the sum of |gap| over classes. Of many
        samples, evenly spaced ones stand for all.
        """
        size, (cell, first, place) = np.abs(shape), self._thinned
        per_sample = np.bincount(place, weights=size[cell] - size[first], minlength=min(self.judged.n, MOST_ROWS))
        return float(per_sample.std() / self.judged.num_classes / np.sqrt(self.judged.n))


@dataclass(frozen=True)
class ClassNoise:
    """Expected less drawn labels of class-wise cells in each draw, times a factor: `offset - factor * counts`."""

    counts: Ints
    """Drawn labels, int32 `[C, P]`."""
    offset: Floats
    factor: Floats
    draws: int

    def sizes(self, gaps: Floats) -> Floats:
        """`sum over cells of |gap + noise|` in each draw, `[D]`, for gap sums `[C]`."""
        return label_gap_sizes(gaps + self.offset, self.factor, self.counts)[: self.draws]
