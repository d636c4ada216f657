"""Kuiper calibration error of the top label: the range of the cumulative differences."""

from __future__ import annotations

from calibench.metrics.binning import Floats
from calibench.metrics.brownian_motion import range_tail
from calibench.metrics.cumulative_differences import CumulativeMetric
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="kuiper",
    place=230,
    summary="Kuiper calibration error, top label: the range of the cumulative differences (ECCE-R); no bins.",
    target=f"{__name__}:Kuiper",
    equation="max_j C_j - min_j C_j, C_0 = 0, C_j = 1/N sum_{i: conf_i <= c_j} (conf_i - correct_i)",
    paper="Arrieta-Ibarra, Gujral, Tannen, Tygert & Xu 2022, JMLR 23(351)",
    deviations=(
        "Samples of equal confidence are added together.",
        "The details hold sigma, the ratio to it, and the p-value for large N.",
    ),
    order_only=True,
    estimand="the figure of the population, as if its cumulative differences were known",
    optional=True,
)


class Kuiper(CumulativeMetric):
    """`max over j >= 0 of C_j - min over j >= 0 of C_j`, a fraction: the largest |sum of gaps| over any interval of confidence.

    `C_j` as in `CumulativeMetric`, and C_0 = 0. Between `ks` and twice `ks`. Source: Arrieta-Ibarra et al. 2022 (ECCE-R).
    """

    def size(self, sums: Floats) -> Floats:
        """The range, with 0 among the sums."""
        span: Floats = sums.max(axis=1, initial=0.0) - sums.min(axis=1, initial=0.0)
        return span

    def tail(self, ratio: float) -> float:
        """P(max W - min W > ratio)."""
        return range_tail(ratio)
