"""Area under the generalized risk-coverage curve (AUGRC): the mean risk of an error that nobody sees."""

from __future__ import annotations

from calibench.metrics.aurc import ranked_by_tail, resampled_risks
from calibench.metrics.binning import Floats
from calibench.metrics.fd_shifts import FD_SHIFTS, LIKE, tie_sums, trapezoid_augrc
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once, rescaled
from calibench.metrics.metric import Metric
from calibench.metrics.resamples import Resamples
from calibench.metrics.sample_weight import nonzero
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="augrc",
    place=435,
    summary="Area under the generalized risk-coverage curve, tied confidences averaged.",
    target=f"{__name__}:AUGRC",
    equation="1/N sum_i (errors among the i most confident) / N",
    paper="Traub et al. 2024, arXiv:2407.01032",
    params=(LIKE,),
    deviations=(
        "A mean over i = 1 .. N, as in `aurc`; the paper's area lies (errors / N) / (2 N) lower, and `like=fd-shifts` gives it.",
    ),
    estimand="the area of the population, of samples without end",
    optional=True,
)


class AUGRC(Metric):
    """`mean over i = 1 .. N of (errors among the i most confident) / N`, a fraction, averaged over the orders of tied samples.

    Samples are ranked as in `aurc`. A tie of m samples with e errors, after E errors, adds `m E + e (m + 1) / 2` to the sum.
    `like="fd-shifts"` is the area below straight lines from (0, 0), where the tie adds `m E + e m / 2`.
    Of weighted samples m, e and E are sums of weights, and N is the sum of all.
    Source: Traub et al. 2024, "Overcoming Common Flaws in the Evaluation of Selective Classification Systems".
    """

    of_top_label = True
    takes_weights = True

    def __init__(self, like: str | None = None) -> None:
        self.like = like

    def value(self, judged: Judged) -> float:
        """The figure of all samples."""
        return float(self.resampled(judged, once(judged))[0])

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """The figure of each row; copies of a sample tie with each other."""
        order, starts = ranked_by_tail(judged)
        ranked = rescaled(judged, weights)[:, order]
        size, errors = tie_sums(ranked, starts), tie_sums(ranked * (1 - judged.correct[order]), starts)
        area = trapezoid_augrc(size, errors)
        return area if self.like == FD_SHIFTS else area + errors.sum(axis=1) / (2 * size.sum(axis=1) ** 2)

    def of_resamples(self, judged: Judged, resamples: Resamples) -> Floats:
        """The sum of the joint risk over ranks, divided by the square of the number of samples."""
        if judged.sample_weight is not None:
            return super().of_resamples(judged, resamples)
        samples, errors, _, joint = resampled_risks(judged, resamples)
        area: Floats = (joint if self.like == FD_SHIFTS else joint + errors / 2) / nonzero(samples) ** 2
        return area
