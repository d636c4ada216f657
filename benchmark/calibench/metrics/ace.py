"""Adaptive calibration error (ACE): the probabilities of every class, in ranges of equally many samples."""

from __future__ import annotations

from calibench.metrics.binning import Bools, Floats, Ints, check_bins
from calibench.metrics.class_ranges import adaptive_errors, drawn_errors
from calibench.metrics.judged import Judged
from calibench.metrics.weighted_metric import WeightedMetric
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="ace15",
    place=310,
    summary="Adaptive calibration error: each class in 15 ranges of near-equal size, mean over classes.",
    target=f"{__name__}:ACE",
    options={"bins": 15},
    equation="1/(K R) sum_k sum_r |mean p_k - mean [y = k]|",
    paper="Nixon et al. 2019, arXiv:1904.01685",
    deviations=(
        "Range sizes differ by at most 1, every range has the same weight, and no sample is dropped.",
        "A range that ends between equal probabilities takes an equal share of each.",
    ),
    order_only=True,
    estimand="none: no interval of this figure is known to cover the population value",
    optional=True,
)


class ACE(WeightedMetric):
    """`mean over classes k of mean over ranges r of |mean p_k - mean [label = k]|`, a fraction.

    The N probabilities of a class are ranked and split into R ranges, with the sizes of `numpy.array_split`. With N < R there
    are N ranges. A range that ends between equal probabilities takes an equal share of each, so the order of the file does
    not matter. (netcal's "ACE" has bins of equal width.) Source: Nixon et al. 2019, "Measuring calibration in deep learning".
    """

    bias_corrected = True
    takes_weights = True
    threshold: float | None = None
    """Only probabilities above it are ranked; None for all."""

    def __init__(self, bins: int = 15) -> None:
        self.bins = check_bins(bins)

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Each resample is split anew; the order of the probabilities stays."""
        return adaptive_errors(judged, weights, self.bins, self.threshold)

    def floor_draws(self, judged: Judged, correct: Bools, labels: Ints) -> Floats | None:
        """The figure if label i is drawn from p_i: the ranges stay, and labels are counted anew."""
        return drawn_errors(judged, labels, self.bins, self.threshold)
