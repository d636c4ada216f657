"""Underconfidence: the part of ECE from bins whose confidence falls short of their accuracy."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.equal_width import EqualWidthMetric
from calibench.plugins.params import Param
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="under_confidence",
    place=350,
    summary="The part of ECE from bins whose mean confidence falls short of their accuracy.",
    target=f"{__name__}:UnderConfidence",
    params=(Param("bins", "int", 15, "the number of equal-width bins", minimum=1),),
    equation="sum_b n_b / N max(acc_b - conf_b, 0)",
    paper="own definition",
    deviations=("`over_confidence` and `under_confidence` add up to ECE with as many bins.",),
    rankable=False,
    estimand="none: no interval of this figure is known to cover the population value",
    optional=True,
)


class UnderConfidence(EqualWidthMetric):
    """`sum over bins of n_b / N * max(acc_b - conf_b, 0)` of the predicted class, a fraction.

    Bins as in `ECE`, of which it is one of two parts; `over_confidence` is the other. It does not rank: a model with errors of
    the other sign alone has 0. Own definition.
    """

    def error(self, gap_sums: Floats, counts: Floats) -> Floats:
        """The figure from gap sums and counts."""
        part: Floats = np.maximum(-gap_sums, 0).sum(axis=-1) / counts.sum(axis=-1)
        return part
