"""Kolmogorov-Smirnov calibration error of the top label: the largest cumulative difference."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.brownian_motion import max_tail
from calibench.metrics.cumulative_differences import CumulativeMetric
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="ks",
    place=220,
    summary="Kolmogorov-Smirnov calibration error, top label: the largest cumulative difference; no bins.",
    target=f"{__name__}:KS",
    equation="max_j |C_j|, C_j = 1/N sum_{i: conf_i <= c_j} (conf_i - correct_i)",
    paper="Gupta et al. 2021, arXiv:2006.12800; ECCE-MAD of Arrieta-Ibarra et al. 2022, JMLR 23(351)",
    deviations=(
        "Samples of equal confidence are added together.",
        "The details hold sigma, the ratio to it, and the p-value for large N.",
    ),
    order_only=True,
    estimand="the figure of the population, as if its cumulative differences were known",
    optional=True,
)


class KS(CumulativeMetric):
    """`max over j of |C_j|`, a fraction; `C_j` as in `CumulativeMetric`. It is the ECCE-MAD of Arrieta-Ibarra et al.

    Source: Gupta et al. 2021, "Calibration of neural networks using splines".
    """

    def size(self, sums: Floats) -> Floats:
        """The largest distance from 0."""
        distance: Floats = np.abs(sums).max(axis=1)
        return distance

    def tail(self, ratio: float) -> float:
        """P(max |W| > ratio)."""
        return max_tail(ratio)
