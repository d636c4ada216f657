"""Expected calibration error (ECE) of the top label, over groups of equally many samples."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.bin_sums import columns_by_confidence
from calibench.metrics.binning import Bools, Floats, Ints, check_bins, read_only
from calibench.metrics.calibration_error import expected_calibration_error
from calibench.metrics.equal_mass import range_gap_sums
from calibench.metrics.floor_counts import RightInCells
from calibench.metrics.gap_figure import GapFigure
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import draws_of, once, total_of
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
    in the file then decides which group each is in. Groups of weighted samples have the shares of the weight that they would have
    of the samples; a sample across the end of a group is shared. (netcal's "ACE" is not adaptive; Mukhoti's code drops a sample.)
    Source: Nguyen & O'Connor 2015; Nixon et al. 2019.
    """

    of_top_label = True
    bias_corrected = True
    takes_weights = True

    def __init__(self, bins: int = 15) -> None:
        self.bins = check_bins(bins)

    def value(self, judged: Judged) -> float:
        """The figure of all samples."""
        if judged.sample_weight is not None:
            return float(self.resampled(judged, once(judged))[0])
        return float(expected_calibration_error(self._sums(judged, judged.confidence - judged.correct), judged.n))

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Each row is ranked and split anew; a split may run through one sample."""
        order, counts = judged.by_confidence, draws_of(judged, weights).sum(axis=1)
        gap = judged.confidence[order] - judged.correct[order]
        errors = np.empty(len(weights))
        for place, (row, count) in enumerate(zip(weights, counts, strict=True)):
            total = row.sum()
            ends: Floats = group_ends(int(count), self.bins).astype(np.float64) * float(total / count)
            errors[place] = expected_calibration_error(range_gap_sums(row[order], gap, None, ends), total)
        return errors

    def of_resamples(self, judged: Judged, resamples: Resamples) -> Floats:
        """Each resample is ranked and split anew; a split may run through the copies of one sample."""
        if judged.sample_weight is not None:
            return super().of_resamples(judged, resamples)
        total = resamples.total
        size, larger = np.divmod(total[:, None], self.bins)
        index = np.arange(1, self.bins + 1)
        ends: Floats = (index * size + np.minimum(index, larger)).astype(np.float64)
        gap, fine, _ = columns_by_confidence(judged)
        sums = resamples.group_sums([gap, fine], judged.by_confidence, ends)
        return expected_calibration_error(sums, np.maximum(total, 1))

    def floor_draws(self, judged: Judged, correct: Bools, labels: Ints) -> Floats | None:
        """The figure if sample i is right with probability confidence_i; the groups stay."""
        if judged.sample_weight is None:
            return super().floor_draws(judged, correct, labels)
        order, weight = judged.by_confidence, judged.sample_weight
        ends: Floats = group_ends(int((weight > 0).sum()), self.bins).astype(np.float64)
        gaps = (range_gap_sums(weight[order], (judged.confidence - row)[order], None, ends) for row in correct)
        return np.array([expected_calibration_error(gap, total_of(judged)) for gap in gaps])

    def floor_counts(self, judged: Judged) -> RightInCells | None:
        """Right answers in each group; the groups stay. None with weights, where a sample may lie in two groups."""
        if judged.sample_weight is not None:
            return None
        return RightInCells(self._group(judged), self.bins)

    def floor_of_counts(self, judged: Judged, counts: Floats | Ints) -> Floats:
        """The figure of right answers `[M, D]`."""
        gaps: Floats = self._sums(judged, judged.confidence) - counts.T
        return expected_calibration_error(gaps, judged.n)

    def _sums(self, judged: Judged, values: Floats) -> Floats:
        """The sum of `values [N]` in each group, `[M]`."""
        return np.bincount(self._group(judged), weights=values, minlength=self.bins).astype(np.float64)

    def _group(self, judged: Judged) -> Ints:
        """The group of each sample, `[N]`; of weighted samples the one that holds the middle of its weight."""

        def make() -> Ints:
            if judged.sample_weight is not None:
                return read_only(shares_of_weight(judged, group_ends(int((judged.sample_weight > 0).sum()), self.bins)))
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
        return top_figure(judged, group, lambda sums: expected_calibration_error(sums, total_of(judged)))


def shares_of_weight(judged: Judged, ends: Ints) -> Ints:
    """The range `[N]` of each weighted sample, where samples in the order of confidence are split at the ranks `ends [R + 1]`."""
    order, own = judged.by_confidence, once(judged)[0]
    weight = own[order]
    middle = weight.cumsum() - weight / 2
    place = np.empty(judged.n, dtype=np.int64)
    place[order] = np.clip(np.searchsorted(ends[1:], middle, side="right"), 0, len(ends) - 2)
    return place


def group_ends(n: int, groups: int) -> Ints:
    """The ends of the groups of `numpy.array_split`, `[M + 1]`: 0 .. n, the first n mod M groups one larger."""
    size, larger = divmod(n, groups)
    index = np.arange(groups + 1)
    return index * size + np.minimum(index, larger)
