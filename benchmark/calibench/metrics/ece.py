"""Expected calibration error (ECE) of the top label, over equal-width bins."""

from __future__ import annotations

from calibench.metrics.binning import Floats
from calibench.metrics.calibration_error import expected_calibration_error
from calibench.metrics.equal_width import EqualWidthMetric
from calibench.metrics.gap_figure import GapFigure
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import total_of
from calibench.metrics.no_interval import NoInterval
from calibench.metrics.top_figure import top_figure
from calibench.plugins.specs import MetricSpec


def _spec(bins: int, place: int, paper: str) -> MetricSpec:
    return MetricSpec(
        name=f"ece{bins}",
        place=place,
        summary=f"Expected calibration error, top label, {bins} equal-width bins.",
        target=f"{__name__}:ECE",
        options={"bins": bins},
        equation="sum_b n_b / N |conf_b - acc_b|",
        paper=paper,
        order_only=True,
        estimand="the error of the population under these bins",
    )


SPECS = (
    _spec(15, 40, "Guo et al. 2017, arXiv:1706.04599"),
    _spec(10, 50, "Naeini, Cooper & Hauskrecht 2015; 10 bins as in Jordahn & Olmos 2024"),
)


class ECE(EqualWidthMetric):
    """`sum over bins of n_b / N * |conf_b - acc_b|` of the predicted class, a fraction.

    M equal-width bins `(lo, hi]`, the first closed at 0, edges k / M in float64; an empty bin adds 0.
    Source: Naeini, Cooper & Hauskrecht 2015; Guo et al. 2017 (M = 15).
    """

    def error(self, gap_sums: Floats, counts: Floats) -> Floats:
        """ECE from gap sums and counts."""
        return expected_calibration_error(gap_sums, counts.sum(axis=-1))

    def gap_figure(self, judged: Judged) -> GapFigure | NoInterval:
        """The same of gap sums: N does not change."""
        total = total_of(judged)
        return top_figure(judged, judged.bin_index(self.bins), lambda sums: expected_calibration_error(sums, total))
