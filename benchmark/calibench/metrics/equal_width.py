"""EqualWidthMetric: the base class of ECE and MCE, calibration errors over equal-width bins of the top-label confidence."""

from __future__ import annotations

from abc import abstractmethod

from calibench.lazy import np
from calibench.metrics.bin_sums import bin_sums
from calibench.metrics.binning import Floats, Ints, check_bins, one_hot
from calibench.metrics.floor_counts import RightInCells
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Metric
from calibench.metrics.resamples import Resamples
from calibench.metrics.weighted import weighted_sums


class EqualWidthMetric(Metric):
    """A figure of the counts and gap sums of M equal-width bins, where a gap sum is `sum(confidence) - sum(correct)`.

    Bins are `(lo, hi]`, the first closed at 0, with edges k / M in float64 (`binning.py`). Subclasses write `error`.
    """

    bias_corrected = True

    def __init__(self, bins: int = 15) -> None:
        self.bins = check_bins(bins)

    @abstractmethod
    def error(self, gap_sums: Floats, counts: Floats) -> Floats:
        """The figure `[...]` from the gap sum and the count of each bin, both `[..., M]`."""

    def value(self, judged: Judged) -> float:
        """The figure of all samples."""
        return float(self.error(*self.bin_sums(judged)))

    def bin_sums(self, judged: Judged) -> tuple[Floats, Floats]:
        """Gap sum and count of each bin, `[M]` each."""
        stats = judged.stats(self.bins)
        return (stats.confidence_sum - stats.correct_sum).numpy(), stats.count.numpy()

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Confidences fix the bins, so one product with a matrix `[N, 2 M]` gives all gap sums and counts."""
        columns = judged.memo(("bin_gaps_and_counts", self.bins), lambda: self._gaps_and_counts(judged))
        sums = weighted_sums(weights, columns)
        return self.error(sums[:, : self.bins], sums[:, self.bins :])

    def of_resamples(self, judged: Judged, resamples: Resamples) -> Floats:
        """The figure of the sums of each bin."""
        sums = bin_sums(judged, resamples, self.bins)
        with np.errstate(invalid="ignore"):  # a resample without any judged sample
            return self.error(sums.gap, sums.count)

    def _gaps_and_counts(self, judged: Judged) -> Floats:
        """`[N, 2 M]`: the gap of each sample in the column of its bin, then 1 in the column of its bin."""
        in_bin = one_hot(judged.bin_index(self.bins), self.bins)
        gap = judged.confidence - judged.correct
        return np.concatenate([gap[:, None] * in_bin, in_bin], axis=1)

    def floor_counts(self, judged: Judged) -> RightInCells:
        """Right answers in each bin: sample i is right with probability confidence_i."""
        return RightInCells(judged.bin_index(self.bins), self.bins)

    def floor_of_counts(self, judged: Judged, counts: Floats | Ints) -> Floats:
        """The figure of right answers `[M, D]`; counts and confidence sums of the bins stay."""
        stats = judged.stats(self.bins)
        return self.error(stats.confidence_sum.numpy() - counts.T, stats.count.numpy())
