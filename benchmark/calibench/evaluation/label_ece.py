"""ECE of each label on its own, where samples have several labels: reliability of P(label) over equal-width bins."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints, bin_index
from calibench.metrics.calibration_error import expected_calibration_error
from calibench.metrics.has_draws import HasDraws
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import times_weight, total_of


class LabelECE(HasDraws):
    """`sum over bins of n_b / N |mean P(yes) - share of yes|` of each of Q labels, `[Q]`, over M bins of P(yes)."""

    def __init__(self, judged: Judged, bins: int) -> None:
        self.labels, self.bins = judged.labels_per_sample, bins
        yes = judged.probs[:, 1]
        label = np.arange(judged.n) % self.labels
        self.cell = label * bins + bin_index(yes, bins)
        self.judged, self.samples = judged, total_of(judged) / self.labels
        self.yes_sums = self._sums(yes)

    def _sums(self, values: Floats) -> Floats:
        weights = times_weight(self.judged, values)
        sums: Floats = np.bincount(self.cell, weights=weights, minlength=self.labels * self.bins).astype(np.float64)
        return sums

    def _error(self, labels: Ints) -> Floats:
        gaps = (self.yes_sums - self._sums(labels.astype(np.float64))).reshape(self.labels, self.bins)
        return expected_calibration_error(gaps, self.samples)

    def observed(self, judged: Judged) -> Floats:
        """The error of each label in the data, `[Q]`."""
        return self._error(judged.labels)

    def floor_draws(self, judged: Judged, correct: Bools, labels: Ints) -> Floats:
        """The error of each label in each draw, `[D, Q]`."""
        return np.stack([self._error(row) for row in labels])
