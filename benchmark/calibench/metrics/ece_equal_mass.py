"""Expected calibration error (ECE) of the top label, over groups of equally many samples."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.bin_sums import gap_columns
from calibench.metrics.binning import Floats, Ints, check_bins, read_only
from calibench.metrics.calibration_error import expected_calibration_error
from calibench.metrics.floor_counts import RightInCells
from calibench.metrics.gap_figure import GapFigure
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Metric
from calibench.metrics.no_interval import NoInterval
from calibench.metrics.resamples import Resamples
from calibench.metrics.top_figure import top_figure
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="ece_equal_mass15",
    place=70,
    summary="Expected calibration error, top label, 15 groups of near-equal size.",
    target=f"{__name__}:EqualMassECE",
    options={"bins": 15},
    equation="sum_g n_g / N |conf_g - acc_g|",
    paper="Nixon et al. 2019, arXiv:1904.01685",
    deviations=("Split by rank on (confidence, index); no sample is dropped.",),
    order_only=True,
    estimand="the error of the population under the bins of this sample",
)


class EqualMassECE(Metric):
    """`sum over groups of n_g / N * |conf_g - acc_g|` of the predicted class, a fraction.

    Samples are ranked by (confidence, index) and split by rank into M groups of near-equal size, the sizes of
    `numpy.array_split`. With N < M some groups are empty and add 0. A group may end between equal confidences; their order
    in the file then decides which group each is in. (netcal's "ACE" is not adaptive; Mukhoti's code drops a sample.)
    Source: Nguyen & O'Connor 2015; Nixon et al. 2019.
    """

    bias_corrected = True

    def __init__(self, bins: int = 15) -> None:
        self.bins = check_bins(bins)

    def value(self, judged: Judged) -> float:
        """The figure of all samples."""
        return float(expected_calibration_error(self._sums(judged, judged.confidence - judged.correct), judged.n))

    def of_resamples(self, judged: Judged, resamples: Resamples) -> Floats:
        """Each resample is ranked and split anew; a split may run through the copies of one sample."""
        total = resamples.total
        size, larger = np.divmod(total[:, None], self.bins)
        index = np.arange(1, self.bins + 1)
        ends: Floats = (index * size + np.minimum(index, larger)).astype(np.float64)
        sums = resamples.group_sums(gap_columns(judged), judged.by_confidence, ends)
        return expected_calibration_error(sums, np.maximum(total, 1))

    def floor_counts(self, judged: Judged) -> RightInCells:
        """Right answers in each group; the groups stay."""
        return RightInCells(self._group(judged), self.bins)

    def floor_of_counts(self, judged: Judged, counts: Floats | Ints) -> Floats:
        """The figure of right answers `[M, D]`."""
        gaps: Floats = self._sums(judged, judged.confidence) - counts.T
        return expected_calibration_error(gaps, judged.n)

    def _sums(self, judged: Judged, values: Floats) -> Floats:
        """The sum of `values [N]` in each group, `[M]`."""
        return np.bincount(self._group(judged), weights=values, minlength=self.bins).astype(np.float64)

    def _group(self, judged: Judged) -> Ints:
        """The group of each sample, `[N]`."""

        def make() -> Ints:
            group = np.empty(judged.n, dtype=np.int32)
            group[judged.by_confidence] = np.repeat(np.arange(self.bins), np.diff(group_ends(judged.n, self.bins)))
            return read_only(group)

        return judged.memo(("equal_mass_group", self.bins), make)

    def gap_figure(self, judged: Judged) -> GapFigure | NoInterval:
        """The same of gap sums: the groups stay."""
        group, order = self._group(judged), judged.by_confidence
        same = np.diff(judged.confidence[order]) == 0
        if (same & (np.diff(group[order]) > 0)).any():
            return NoInterval("equal confidences lie in several groups, so the order of the samples decides the figure")
        return top_figure(judged, group, lambda sums: expected_calibration_error(sums, judged.n))


def group_ends(n: int, groups: int) -> Ints:
    """The ends of the groups of `numpy.array_split`, `[M + 1]`: 0 .. n, the first n mod M groups one larger."""
    size, larger = divmod(n, groups)
    index = np.arange(groups + 1)
    return index * size + np.minimum(index, larger)
