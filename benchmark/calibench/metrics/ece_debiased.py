"""Debiased root mean square calibration error of the top label, over equal-width bins."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.bin_sums import BinSums, bin_sums
from calibench.metrics.binning import Floats
from calibench.metrics.equal_width import BinnedMetric
from calibench.metrics.floor_counts import RightInCells
from calibench.metrics.gap_figure import GapFigure
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Details
from calibench.metrics.no_interval import NoInterval
from calibench.metrics.sample_weight import nonzero
from calibench.metrics.top_figure import rms_figure
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

ROUNDING = 1e-9
"""Of an effective number of samples."""


class DebiasedECE(BinnedMetric):
    """`sqrt(max(0, S))` with `S = sum over bins of n_b / N * ((conf_b - acc_b)^2 - acc_b (1 - acc_b) / (n_b - 1))`, a fraction.

    S estimates the squared calibration error of the bins without the bias of the plug-in estimate, and can be negative.
    Of weighted samples n_b in `n_b - 1` is the effective number, `(sum w)^2 / sum w^2`: the variance of acc_b then has no bias.
    Bins as in `ECE`. A bin of one sample adds 0 and counts in N. NaN if no bin has two samples.
    The root magnifies rounding near 0. So sums are exact: each confidence is split into a multiple of 2^-30 and a rest, and
    the sums of both parts have at most 53 bits (up to about 4 million samples). Source: Kumar, Liang & Ma 2019, "Verified
    uncertainty calibration".
    """

    def of_sums(self, sums: BinSums) -> Floats:
        """The root of S."""
        return _root(_signed_square(sums))

    def details(self, judged: Judged) -> Details:
        """`signed_square`, the sum S before it is clipped at 0, and `single_bins`, the number of bins of one sample."""
        sums = bin_sums(judged, self.bins)
        return {
            "signed_square": float(_signed_square(sums)),
            "single_bins": int((np.abs(sums.effective - 1) <= ROUNDING).sum()),
        }

    def gap_figure(self, judged: Judged) -> GapFigure | NoInterval:
        """`sqrt(sum over bins of n_b / N * gap_b^2)`: of the population, which has no noise to take away."""
        return rms_figure(judged, judged.bin_index(self.bins))

    def floor_counts(self, judged: Judged) -> RightInCells | None:
        """Right answers in each bin; None if no bin has two samples."""
        return super().floor_counts(judged) if bin_sums(judged, self.bins).effective.max() > 1 + ROUNDING else None


def _signed_square(sums: BinSums) -> Floats:
    """The debiased square `[...]`; NaN without a bin of two samples."""
    gap, correct, count = sums.gap, sums.correct, sums.count
    several = sums.effective > 1 + ROUNDING
    n, size = np.where(several, sums.effective, 2), np.where(several, count, 2)
    terms = np.where(several, (gap**2 - correct * (count - correct) / (n - 1)) / size, 0)
    total = nonzero(count.sum(axis=-1))
    return np.where(several.any(axis=-1), terms.sum(axis=-1) / total, np.nan)


def _root(signed_square: Floats) -> Floats:
    """The root, 0 for a negative square, NaN for NaN."""
    root: Floats = np.sqrt(np.maximum(signed_square, 0))
    return root
