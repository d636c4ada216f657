"""Debiased root mean square calibration error of the top label, over equal-width bins."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.bin_sums import GRID, bin_sums
from calibench.metrics.binning import Floats, Ints, check_bins, one_hot
from calibench.metrics.floor_counts import RightInCells
from calibench.metrics.gap_figure import GapFigure
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Details
from calibench.metrics.no_interval import NoInterval
from calibench.metrics.resamples import Resamples
from calibench.metrics.top_figure import rms_figure
from calibench.metrics.weighted import weighted_sums
from calibench.metrics.weighted_metric import WeightedMetric
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="ece_debiased15",
    place=55,
    summary="Debiased root mean square calibration error, top label, 15 equal-width bins.",
    target=f"{__name__}:DebiasedECE",
    options={"bins": 15},
    equation="sqrt(max(0, sum_b n_b / N ((conf_b - acc_b)^2 - acc_b (1 - acc_b) / (n_b - 1))))",
    paper="Kumar, Liang & Ma 2019, arXiv:1909.10155",
    deviations=(
        "The bins are of equal width; the authors' package has equal mass by default.",
        "A negative sum gives 0, as in the package; the details hold the signed sum.",
        "A bin of one sample adds 0, as in the package; without a bin of two samples the figure is undefined.",
    ),
    estimand="the root mean square error of the population under these bins",
)


class DebiasedECE(WeightedMetric):
    """`sqrt(max(0, S))` with `S = sum over bins of n_b / N * ((conf_b - acc_b)^2 - acc_b (1 - acc_b) / (n_b - 1))`, a fraction.

    S estimates the squared calibration error of the bins without the bias of the plug-in estimate, and can be negative.
    Bins as in `ECE`. A bin of one sample adds 0 and counts in N. NaN if no bin has two samples.
    The root magnifies rounding near 0. So sums are exact: each confidence is split into a multiple of 2^-30 and a rest, and
    the sums of both parts have at most 53 bits (up to about 4 million samples). Source: Kumar, Liang & Ma 2019, "Verified
    uncertainty calibration".
    """

    bias_corrected = True

    def __init__(self, bins: int = 15) -> None:
        self.bins = check_bins(bins)

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Confidences fix the bins, so one product with a matrix `[N, 4 M]` gives all sums."""
        return _root(self._signed_squares(judged, weights))

    def of_resamples(self, judged: Judged, resamples: Resamples) -> Floats:
        """The same from the sums of each bin, which are exact too."""
        sums = bin_sums(judged, resamples, self.bins)
        return _root(_signed_square(sums.gap, sums.correct, sums.count))

    def details(self, judged: Judged) -> Details:
        """`signed_square`, the sum S before it is clipped at 0, and `single_bins`, the number of bins of one sample."""
        count = judged.stats(self.bins).count.numpy()
        signed_square = self._signed_squares(judged, np.ones((1, judged.n)))[0]
        return {"signed_square": float(signed_square), "single_bins": int((count == 1).sum())}

    def gap_figure(self, judged: Judged) -> GapFigure | NoInterval:
        """`sqrt(sum over bins of n_b / N * gap_b^2)`: of the population, which has no noise to take away."""
        return rms_figure(judged, judged.bin_index(self.bins))

    def floor_counts(self, judged: Judged) -> RightInCells | None:
        """Right answers in each bin; None if no bin has two samples."""
        index = judged.bin_index(self.bins)
        return RightInCells(index, self.bins) if np.bincount(index).max() > 1 else None

    def floor_of_counts(self, judged: Judged, counts: Floats | Ints) -> Floats:
        """The figure of right answers `[M, D]`."""
        coarse, fine, _, count = self._sums(judged, np.ones((1, judged.n)))
        right = np.asarray(counts.T, dtype=np.float64)
        return _root(_signed_square(coarse - right + fine, right, count))

    def _signed_squares(self, judged: Judged, weights: Floats) -> Floats:
        coarse, fine, correct, count = self._sums(judged, weights)
        return _signed_square(coarse - correct + fine, correct, count)

    def _sums(self, judged: Judged, weights: Floats) -> list[Floats]:
        """Coarse and fine parts of the confidence, right answers and counts of each bin, `[B, M]` each."""
        columns = judged.memo(("bin_exact_columns", self.bins), lambda: self._columns(judged))
        return np.split(weighted_sums(weights, columns), 4, axis=1)

    def _columns(self, judged: Judged) -> Floats:
        """`[N, 4 M]`: the four numbers of each sample that `_sums` adds, in the column of its bin."""
        in_bin = one_hot(judged.bin_index(self.bins), self.bins)
        coarse = np.rint(judged.confidence * GRID) / GRID
        numbers = (coarse, judged.confidence - coarse, judged.correct)
        return np.concatenate([*(number[:, None] * in_bin for number in numbers), in_bin], axis=1)


def _signed_square(gap: Floats, correct: Floats, count: Floats) -> Floats:
    """The debiased square `[B]` from gap sums, right answers and counts `[B, M]`; NaN without a bin of two samples."""
    several = count > 1
    n = np.where(several, count, 2)
    terms = np.where(several, (gap**2 - correct * (count - correct) / (n - 1)) / n, 0)
    return np.where(several.any(axis=1), terms.sum(axis=1) / count.sum(axis=1), np.nan)


def _root(signed_square: Floats) -> Floats:
    """The root, 0 for a negative square, NaN for NaN."""
    root: Floats = np.sqrt(np.maximum(signed_square, 0))
    return root
