"""Discrimination (DSC): what isotonically calibrated probabilities gain over the frequencies of the classes."""

from __future__ import annotations

from calibench.metrics.binning import Floats
from calibench.metrics.isotonic import class_variance, isotonic_brier, isotonic_brier_of_labels
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once
from calibench.metrics.metric import Metric
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="dsc",
    place=405,
    summary="Discrimination: the Brier score of the class frequencies less that after isotonic calibration (CORP).",
    target=f"{__name__}:DSC",
    unit="squared probability",
    better="higher",
    equation="unc - mean(sum_k (r_k - [y = k])^2), r_k the isotonic regression of [y = k] on p_k",
    paper="Dimitriadis, Gneiting & Jordan 2021, PNAS 118(8)",
    deviations=("Summed over classes, one against the rest, as in `mcb`.",),
    order_only=True,
    estimand="none: no interval of this figure is known to cover the population value",
    optional=True,
)


class DSC(Metric):
    """`unc - mean(sum_k (r_k - [y = k])^2)`, in [0, 1]; r_k is the isotonic regression of [y = k] on p_k, as in `mcb`.

    Source: Dimitriadis, Gneiting & Jordan 2021, "Stable reliability diagrams for probabilistic classifiers".
    """

    bias_corrected = True
    takes_weights = True

    def value(self, judged: Judged) -> float:
        """The Brier score of the class frequencies less that after isotonic calibration."""
        if judged.sample_weight is not None:
            return float(self.resampled(judged, once(judged))[0])
        return float(class_variance(judged, once(judged))[0]) - isotonic_brier_of_labels(judged, judged.labels)

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Each resample is calibrated anew."""
        return class_variance(judged, weights) - isotonic_brier(judged, weights)
