"""Overconfidence: the part of ECE from bins whose confidence exceeds their accuracy."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.equal_width import EqualWidthMetric
from calibench.plugins.params import Param
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="over_confidence",
    place=340,
    summary="The part of ECE from bins whose mean confidence exceeds their accuracy.",
    target=f"{__name__}:OverConfidence",
    params=(Param("bins", "int", 15, "the number of equal-width bins", minimum=1),),
    equation="sum_b n_b / N max(conf_b - acc_b, 0)",
    paper="own definition",
    deviations=(
        "`over_confidence` and `under_confidence` add up to ECE with as many bins.",
        "The overconfidence error of Thulasidasan et al. 2019 (arXiv:1905.11001) also multiplies each gap by the bin's "
        "confidence.",
    ),
    rankable=False,
    estimand="none: no interval of this figure is known to cover the population value",
    optional=True,
)


class OverConfidence(EqualWidthMetric):
    """`sum over bins of n_b / N * max(conf_b - acc_b, 0)` of the predicted class, a fraction.

    Bins as in `ECE`, of which it is one of two parts; `under_confidence` is the other. It does not rank: a model with errors of
    the other sign alone has 0. Own definition.
    """

    def error(self, gap_sums: Floats, counts: Floats) -> Floats:
        """The figure from gap sums and counts."""
        part: Floats = np.maximum(gap_sums, 0).sum(axis=-1) / counts.sum(axis=-1)
        return part
