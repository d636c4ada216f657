"""Labels drawn from probabilities whose gaps are taken out, for the noise of class-wise calibration errors."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.class_bins import ClassBins
from calibench.metrics.gap_shapes import CellSums
from calibench.metrics.judged import Judged
from calibench.metrics.label_draws import labels_from

MOST_ROWS = 100_000
MOST_NUMBERS = 20_000_000
"""Labels are redrawn for at most so many samples, and so many probabilities, but for 5 000 samples at least."""
FEWEST_ROWS = 5_000

SMALLEST, LARGEST = 0.02, 1e6
"""A probability is changed at most by these factors."""


MOST_UNEXPLAINED = 0.1
"""The share of wrong labels, beyond two standard deviations, that may be missing among the redrawn ones."""


class LabelsRedrawn:
    """The probabilities without the gaps of `shape [K M]`, and the noise of gap sums when labels are drawn from them.

    Each probability is multiplied by the factor that takes the gap out of its cell, and rows are scaled to a sum of 1. Of many
    samples, evenly spaced ones stand for all.
    """

    def __init__(self, judged: Judged, table: ClassBins, sums: CellSums, shape: Floats) -> None:
        self.judged, self.table = judged, table
        self.rows = min(judged.n, MOST_ROWS, max(MOST_NUMBERS // judged.num_classes, FEWEST_ROWS))
        self.index: Ints = np.arange(self.rows) * judged.n // self.rows
        without = (sums.p - sums.count * shape) / np.where(sums.p > 0, sums.p, 1)
        factor = np.clip(without, SMALLEST, LARGEST)
        place = np.full(judged.n, -1)
        place[self.index] = np.arange(self.rows)
        self.listed = np.flatnonzero(place[table.row] >= 0)
        self.row, self.cell = place[table.row[self.listed]], table.cell[self.listed]
        probs = judged.probs[self.index]
        self.probs = probs * factor.reshape(table.shape)[:, 0]
        self.probs[self.row, self.cell // table.bins] = table.p[self.listed] * factor[self.cell]
        self.probs /= self.probs.sum(axis=1, keepdims=True)
        self.bin_of = np.zeros(self.probs.shape, dtype=np.int32)
        self.bin_of[self.row, self.cell // table.bins] = self.cell % table.bins

    def explains(self) -> bool:
        """True if labels drawn from these probabilities are wrong about as often as the true ones.

        Probabilities of 0, or close to it in some rows alone, leave too little for the labels that are not predicted.
        """
        prediction, labels = self.judged.prediction[self.index], self.judged.labels[self.index]
        wrong = float((prediction != labels).sum())
        expected = float(self.rows - self.probs[np.arange(self.rows), prediction].sum())
        return bool(abs(expected - wrong) <= MOST_UNEXPLAINED * wrong + 2 * wrong**0.5)

    def gap_noise(self, draws: int, generator: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        """Expected less drawn labels in each cell `[D, K M]`; the variance of this, and the expected number, `[K M]` each."""
        expected, squares = self._sum(self.probs), self._sum(self.probs**2)
        rows, prediction = np.arange(self.rows), self.judged.prediction[self.index]
        confidence = self.probs[rows, prediction]
        noise = np.empty((draws, len(expected)))
        done = 0
        for _, labels in labels_from(self.probs, confidence, prediction, draws, generator):
            for label in labels:
                cell = label * self.table.bins + self.bin_of[rows, label]
                noise[done] = expected - np.bincount(cell, minlength=len(expected))
                done += 1
        return noise, np.maximum(expected - squares, 0), expected

    def _sum(self, values: Floats) -> Floats:
        """The sum over samples in each cell, `[K M]`."""
        listed = values[self.row, self.cell // self.table.bins]
        flat = np.bincount(self.cell, weights=listed, minlength=self.table.num_classes * self.table.bins)
        sums = flat.astype(np.float64, copy=False).reshape(self.table.shape)
        sums[:, 0] = values.sum(axis=0) - sums.sum(axis=1)
        return sums.ravel()
