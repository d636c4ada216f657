"""Selective risk of a decision rule that may abstain: the error rate among the samples that it accepts."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.aurc import area_under, risk_coverage
from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.judged_decisions import acceptance, decisions_of, promise_details
from calibench.metrics.metric import Details
from calibench.metrics.sample_weight import nonzero
from calibench.metrics.weighted import weighted_sums
from calibench.metrics.weighted_metric import WeightedMetric
from calibench.plugins.specs import MetricSpec

POINTS = 100
"""A record holds at most this many points of the risk-coverage curve."""

SPEC = MetricSpec(
    name="selective_risk",
    place=150,
    summary="Error rate among the samples that the decision rule accepts.",
    target=f"{__name__}:SelectiveRisk",
    equation="errors among accepted / accepted",
    paper="El-Yaniv & Wiener 2010; Geifman & El-Yaniv 2017, arXiv:1705.08500",
    needs_decision=True,
    deviations=("The details hold the risk-coverage curve and AURC of the score that the rule abstains by.",),
)


class SelectiveRisk(WeightedMetric):
    """`errors among the accepted / accepted`, a fraction; a decision other than the label is an error.

    NaN (undefined) if nothing is accepted. Source: El-Yaniv & Wiener 2010; Geifman & El-Yaniv 2017.
    """

    takes_weights = True

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Weighted errors among the accepted / weighted count of the accepted; NaN if that is 0."""
        accepted = acceptance(judged)
        wrong = accepted * (decisions_of(judged) != judged.labels)
        sums = weighted_sums(weights, np.stack([wrong, accepted], axis=1))
        # A sum of weights is exactly 0 if none of them is above 0.
        return np.where(sums[:, 1] > 0, sums[:, 0] / nonzero(sums[:, 1]), np.nan)

    def details(self, judged: Judged) -> Details:
        """The target, and the risk-coverage curve of the rule's `score`: `curve_coverage`, `curve_risk` and its `aurc`.

        The curve shows the result of other thresholds on the score, if the rule answered with the most probable class.
        """
        wrong = 1 - judged.correct
        coverage, risk = risk_coverage(judged.uncertainty, wrong, POINTS, judged.sample_weight)
        return {
            "score": judged.score,
            "aurc": area_under(judged.uncertainty, wrong, judged.sample_weight),
            "curve_coverage": coverage.tolist(),
            "curve_risk": risk.tolist(),
            **promise_details(judged, "selective_risk", self.value(judged), "lower"),
        }
