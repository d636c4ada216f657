"""Top-label calibration error over bins that hold equally many samples."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints, check_bins, one_hot
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Metric, weighted_sums
from calibench.plugins.specs import MetricSpec


def split_points(n: int, groups: int) -> Ints:
    """Ends `[M + 1]` of the groups of `numpy.array_split`: 0 ... n, the first n mod M groups one larger."""
    size, larger = divmod(n, groups)
    index = np.arange(groups + 1)
    return index * size + np.minimum(index, larger)


SPEC = MetricSpec(
    name="ece_equal_mass15",
    place=70,
    summary="Expected calibration error, top label, 15 groups of near-equal size.",
    target=f"{__name__}:EqualMassECE",
    options={"bins": 15},
    equation="sum_g n_g / N |conf_g - acc_g|",
    paper="Nixon et al. 2019, arXiv:1904.01685",
    deviations=("Split by rank on (confidence, index); no sample is dropped.",),
)


class EqualMassECE(Metric):
    """`sum over groups of n_g / N * |conf_g - acc_g|` of the predicted class, a fraction.

    Samples are ranked by (confidence, index) and split by rank into M groups of near-equal size, the sizes of
    `numpy.array_split`; with N < M the empty groups count nothing. Equal confidences may fall into two groups, and
    their order in the file then decides which. (netcal's "ACE" is not adaptive; Mukhoti's code drops a sample.)
    Source: Nguyen & O'Connor 2015; Nixon et al. 2019.
    """

    bias_corrected = True

    def __init__(self, bins: int = 15) -> None:
        self.bins = check_bins(bins)

    def value(self, judged: Judged) -> float:
        """The figure over all samples."""
        return float(self.resampled(judged, np.ones((1, judged.n)))[0])

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Each resample is ranked by (confidence, index) and split by rank, through a run of duplicates if need be."""
        order = self._order(judged)
        gap = (judged.confidence - judged.correct)[order]
        return np.array([self._one(row[order], gap) for row in weights])

    def _one(self, weight: Floats, gap: Floats) -> float:
        reached = weight.cumsum()
        ends = split_points(int(reached[-1]), self.bins)
        # Sample `at` is the one in which the first `ends` ranks run out; whole samples before it, a part of it.
        at = np.searchsorted(reached, ends[1:-1], side="left")
        part = weight[at] - (reached[at] - ends[1:-1])
        running = np.concatenate([[0.0], (weight * gap).cumsum()])
        until = np.concatenate([[0.0], running[at] + part * gap[at], running[-1:]])
        return float(np.abs(np.diff(until)).sum() / reached[-1])

    def floor_draws(self, judged: Judged, correct: Bools, labels: Ints) -> Floats:
        """The figure when sample i is correct with probability confidence_i; the groups stay."""
        member = judged.memo(("mass_member", self.bins), lambda: self._member(judged))
        expected = weighted_sums(judged.confidence[None, :], member)
        hits = weighted_sums(correct.astype(np.float64), member)
        total: Floats = np.abs(expected - hits).sum(axis=1) / judged.n
        return total

    def _order(self, judged: Judged) -> Ints:
        return judged.memo("by_confidence", lambda: np.argsort(judged.confidence, kind="stable"))

    def _member(self, judged: Judged) -> Floats:
        group = np.empty(judged.n, dtype=np.int64)
        group[self._order(judged)] = np.repeat(np.arange(self.bins), np.diff(split_points(judged.n, self.bins)))
        return one_hot(group, self.bins)
