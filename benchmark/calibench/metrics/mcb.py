"""Miscalibration (MCB): the part of the Brier score that isotonic calibration removes."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints
from calibench.metrics.isotonic import brier_of, isotonic_brier, isotonic_brier_of_labels
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once
from calibench.metrics.metric import Metric
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="mcb",
    place=400,
    summary="Miscalibration: the Brier score less that after isotonic calibration of each class (CORP).",
    target=f"{__name__}:MCB",
    unit="squared probability",
    equation="brier - mean(sum_k (r_k - [y = k])^2), r_k the isotonic regression of [y = k] on p_k",
    paper="Dimitriadis, Gneiting & Jordan 2021, PNAS 118(8)",
    deviations=(
        "brier = mcb - dsc + unc, class by class one against the rest and summed over classes, so that two classes give twice "
        "the binary figures. The r_k of a sample need not sum to 1.",
    ),
    order_only=True,
    estimand="none: no interval of this figure is known to cover the population value",
    optional=True,
)


class MCB(Metric):
    """`brier - mean(sum_k (r_k - [y = k])^2)`, at least 0; r_k is the isotonic regression of [y = k] on p_k.

    The paper has one probability; here each class has its own regression, and the figures are summed as those of `brier`
    are. The regression is fitted to the samples that it judges: MCB is above 0 even for a calibrated model, as the noise
    floor shows. It can reach 2 for a confident
    model that is wrong, but its interval ends at 1.
    Source: Dimitriadis, Gneiting & Jordan 2021, "Stable reliability diagrams for probabilistic classifiers".
    """

    bias_corrected = True
    takes_weights = True

    def value(self, judged: Judged) -> float:
        """The Brier score less that after isotonic calibration."""
        if judged.sample_weight is not None:
            return float(self.resampled(judged, once(judged))[0])
        return float(judged.brier.mean()) - isotonic_brier_of_labels(judged, judged.labels)

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Each resample is calibrated anew."""
        return brier_of(judged, weights) - isotonic_brier(judged, weights)

    def floor_draws(self, judged: Judged, correct: Bools, labels: Ints) -> Floats:
        """The figure if the labels are drawn from the probabilities."""
        if judged.sample_weight is not None:
            return np.array([self.value(judged.relabelled(row)) for row in labels])
        squares, sample = (judged.probs**2).sum(axis=1), np.arange(judged.n)
        brier = [(squares + 1 - 2 * judged.probs[sample, draw]).mean() for draw in labels]
        return np.array(brier) - [isotonic_brier_of_labels(judged, draw) for draw in labels]
