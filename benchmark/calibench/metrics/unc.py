"""Uncertainty (UNC) of the labels: the Brier score of a forecast of the class frequencies for every sample."""

from __future__ import annotations

from calibench.metrics.binning import Floats
from calibench.metrics.isotonic import class_variance
from calibench.metrics.judged import Judged
from calibench.metrics.weighted_metric import WeightedMetric
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="unc",
    place=410,
    summary="Uncertainty of the labels: the Brier score of the class frequencies; the same for every model.",
    target=f"{__name__}:UNC",
    unit="squared probability",
    equation="sum_k c_k (1 - c_k), c_k the share of class k",
    paper="Murphy 1973; Dimitriadis, Gneiting & Jordan 2021, PNAS 118(8)",
    rankable=False,
    optional=True,
)


class UNC(WeightedMetric):
    """`sum over k of c_k (1 - c_k)`, in [0, 1), c_k the share of class k. It depends on the labels alone.

    Source: Murphy 1973, "A new vector partition of the probability score".
    """

    takes_weights = True

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """From the shares in each resample."""
        return class_variance(judged, weights)
