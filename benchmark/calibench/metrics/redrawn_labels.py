"""Labels drawn from probabilities whose gaps are taken out, for the noise of class-wise calibration errors."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.gap_shapes import CellSums
from calibench.metrics.judged import Judged
from calibench.outputs.arrays import as_array, beside

if TYPE_CHECKING:
    from calibench.kernels import ClassTable

MOST_ROWS = 100_000
MOST_NUMBERS = 20_000_000
"""Labels are redrawn for at most so many samples, and so many probabilities, but for 5 000 samples at least."""
FEWEST_ROWS = 5_000

SMALLEST, LARGEST = 0.02, 1e6
"""A probability is changed at most by these factors."""

MOST_UNEXPLAINED = 0.1
"""The share of wrong labels, beyond two standard deviations, that may be missing among the redrawn ones."""

STREAM = 5
"""Separates these labels from those of the noise floor, which have the same seed."""

BLOCK_NUMBERS = 4_000_000
"""Draws are counted in blocks whose tables have about so many numbers."""


def rows_to_redraw(n: int, num_classes: int) -> int:
    """For how many of n samples labels are redrawn."""
    return min(n, MOST_ROWS, max(MOST_NUMBERS // num_classes, FEWEST_ROWS))


def evenly_spaced(rows: int, n: int) -> Ints:
    """As many of n samples, evenly spaced."""
    return np.arange(rows) * n // rows


class LabelsRedrawn:
    """The probabilities without the gaps of `shape [K M]`, and counts of labels that are drawn from them.

    Each probability is multiplied by the factor that takes the gap out of its cell, and rows are scaled to a sum of 1. Of many
    samples, evenly spaced ones stand for all.
    """

    def __init__(self, judged: Judged, bins: int, sums: CellSums, shape: Floats) -> None:
        self.judged, self.bins = judged, bins
        self.rows = rows_to_redraw(judged.n, judged.num_classes)
        self.index: Ints = evenly_spaced(self.rows, judged.n)
        without = (sums.p - sums.count * shape) / np.where(sums.p > 0, sums.p, 1)
        (self.factors,) = beside(judged.scores, np.clip(without, SMALLEST, LARGEST))

    @cached_property
    def _chosen(self) -> Any:
        """The rows to take, an array or a tensor as the scores are; None for all."""
        return None if self.rows == self.judged.n else beside(self.judged.scores, self.index.astype(np.int32))[0]

    @cached_property
    def _table(self) -> ClassTable:
        from calibench.kernels import class_table

        return class_table(
            self.judged.scores,
            self.bins,
            from_probs=self.judged.from_probs,
            factors=self.factors,
            rows=self._chosen,
            listed=False,
        )

    def explains(self) -> bool:
        """True if labels drawn from these probabilities are wrong about as often as the true ones.

        Probabilities of 0, or close to it in some rows alone, leave too little for the labels that are not predicted.
        """
        prediction, labels = self.judged.prediction[self.index], self.judged.labels[self.index]
        wrong = float((prediction != labels).sum())
        expected = self.rows - float(self._table.expected_right[0])
        return bool(abs(expected - wrong) <= MOST_UNEXPLAINED * wrong + 2 * wrong**0.5)

    def moments(self) -> tuple[Floats, Floats]:
        """The expected number of labels in each cell, and the variance of the number, `[K M]` each."""
        expected, squares = as_array(self._table.moments)
        return expected, np.maximum(expected - squares, 0)

    def counts(self, draws: int, seed: int) -> Ints:
        """The number of labels in each cell in each draw, int32 `[K M, P]`, P = `draws` rounded up to 8."""
        from calibench.kernels import label_draws

        size = self.judged.num_classes * self.bins
        step = max(8, BLOCK_NUMBERS // size // 8 * 8)
        lanes = -(-draws // 8) * 8
        (cells,) = beside(self.judged.scores, np.zeros(self.rows, dtype=np.int32))
        counts: Any = np.empty((size, lanes), dtype=np.int32)
        for first in range(0, lanes, step):
            drawn = label_draws(
                self.judged.scores,
                self.bins,
                cells,
                1,
                first=(STREAM << 32) + first,
                draws=min(step, lanes - first),
                seed=seed,
                from_probs=self.judged.from_probs,
                factors=self.factors,
                rows=self._chosen,
            )
            counts[:, first : first + step] = as_array(drawn.labels)
        drawn_counts: Ints = counts
        return drawn_counts
