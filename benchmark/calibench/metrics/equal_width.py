"""EqualWidthMetric: the base class of ECE and MCE, calibration errors over equal-width bins of the top-label confidence."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

from calibench.lazy import np
from calibench.metrics.bin_sums import BinSums, bin_sums, resampled_bin_sums
from calibench.metrics.binning import Floats, Ints, check_bins
from calibench.metrics.floor_counts import RightInCells
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Metric
from calibench.metrics.resamples import Resamples


class BinnedMetric(Metric):
    """A figure of the sums of M equal-width bins. Subclasses write `of_sums`.

    Bins are `(lo, hi]`, the first closed at 0, with edges k / M in float64 (`binning.py`).
    """

    of_top_label = True
    bias_corrected = True
    takes_weights = True

    def __init__(self, bins: int = 15) -> None:
        self.bins = check_bins(bins)

    @abstractmethod
    def of_sums(self, sums: BinSums) -> Floats:
        """The figure `[...]` from the sums of each bin, `[..., M]` each."""

    def value(self, judged: Judged) -> float:
        """The figure of all samples."""
        return float(self.of_sums(bin_sums(judged, self.bins)))

    def of_resamples(self, judged: Judged, resamples: Resamples) -> Floats:
        """The figure of the sums of each resample: confidences fix the bins."""
        return self.of_sums(resampled_bin_sums(judged, resamples, self.bins))

    def floor_counts(self, judged: Judged) -> RightInCells | None:
        """Right answers in each bin: sample i is right with probability confidence_i."""
        return RightInCells(judged.bin_index(self.bins), self.bins)

    def floor_of_counts(self, judged: Judged, counts: Floats | Ints) -> Floats:
        """The figure of right answers `[M, D]`; counts and confidence sums of the bins stay."""
        right: Floats = np.asarray(counts.T, dtype=np.float64)
        return self.of_sums(replace(bin_sums(judged, self.bins), correct=right))


class EqualWidthMetric(BinnedMetric):
    """A figure of the counts and gap sums of the bins, where a gap sum is `sum(confidence) - sum(correct)`.

    Subclasses write `error`.
    """

    @abstractmethod
    def error(self, gap_sums: Floats, counts: Floats) -> Floats:
        """The figure `[...]` from the gap sum and the count of each bin, both `[..., M]`."""

    def of_sums(self, sums: BinSums) -> Floats:
        """The figure of gap sums and counts; NaN for a resample without any judged sample."""
        with np.errstate(invalid="ignore"):
            return self.error(sums.gap, sums.count)
