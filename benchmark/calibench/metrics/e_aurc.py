"""Excess area under the risk-coverage curve (E-AURC): AURC less that of the best order at the same accuracy."""

from __future__ import annotations

from calibench.metrics.aurc import best_weighted_areas, ranked_by_tail, weighted_areas
from calibench.metrics.binning import Floats
from calibench.metrics.fd_shifts import FD_SHIFTS, LIKE, best_aurc, tie_sums, trapezoid_aurc
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once
from calibench.metrics.metric import Details
from calibench.metrics.weighted import weighted_mean
from calibench.metrics.weighted_metric import WeightedMetric
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="e_aurc",
    place=440,
    summary="AURC less the AURC of the best order at this accuracy.",
    target=f"{__name__}:ExcessAURC",
    equation="aurc - 1/N sum_{i > N - errors} (i - (N - errors)) / i",
    paper="Geifman, Uziel & El-Yaniv 2019, arXiv:1805.08206",
    params=(LIKE,),
    deviations=(
        "The best order is that of these N samples, so the figure is never negative; with `like=fd-shifts` it is that of "
        "N = infinity, and the area lies below straight lines.",
    ),
    optional=True,
)


class ExcessAURC(WeightedMetric):
    """`aurc - best`, a fraction, at least 0; best = AURC with all errors last: `(e - (N - e) (H(N) - H(N - e))) / N`.

    e is the number of errors, H the harmonic numbers. `like="fd-shifts"` takes the area below straight lines, less
    `r + (1 - r) ln(1 - r)` at the error rate r, and can be negative.
    Source: Geifman, Uziel & El-Yaniv 2019, "Bias-reduced uncertainty estimation".
    """

    of_top_label = True
    takes_weights = True

    def __init__(self, like: str | None = None) -> None:
        self.like = like

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """AURC of each resample less the best at the accuracy of that resample."""
        return self._aurc(judged, weights) - self._best(judged, weights)

    def details(self, judged: Judged) -> Details:
        """`aurc` and `best`, whose difference is the figure."""
        own = once(judged)
        return {"aurc": float(self._aurc(judged, own)[0]), "best": float(self._best(judged, own)[0])}

    def _aurc(self, judged: Judged, weights: Floats) -> Floats:
        if self.like != FD_SHIFTS:
            return weighted_areas(judged, weights)
        order, starts = ranked_by_tail(judged)
        ranked = weights[:, order]
        return trapezoid_aurc(tie_sums(ranked, starts), tie_sums(ranked * (1 - judged.correct[order]), starts))

    def _best(self, judged: Judged, weights: Floats) -> Floats:
        if self.like == FD_SHIFTS:
            return best_aurc(weighted_mean(weights, 1 - judged.correct))
        return best_weighted_areas(judged, weights)
