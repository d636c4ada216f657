"""Coverage and selective risk of a decision rule that may abstain."""

from __future__ import annotations

import math

from calibench.errors import InputError
from calibench.lazy import np
from calibench.metrics.aurc import area_under, risk_coverage
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Details, Metric, weighted_mean, weighted_sums
from calibench.outputs.outputs import ABSTAIN
from calibench.plugins.specs import MetricSpec

POINTS = 100
"""A record holds at most this many points of the risk-coverage curve."""


def _decisions(judged: Judged) -> Ints:
    if judged.decisions is None:
        raise InputError("coverage and selective risk need decisions", "end the recipe with a decision rule")
    return judged.decisions


def _accepted(judged: Judged) -> Floats:
    accepted: Floats = (_decisions(judged) != ABSTAIN).astype(np.float64)
    return accepted


def against_target(judged: Judged, name: str, value: float, better: str) -> Details:
    """`target`, what the rule promised of the metric `name`, and `reached`, whether these samples show it; or nothing.

    `reached` is about the samples judged, whose figure scatters about the population's: a guarantee speaks of the latter.
    """
    if name not in judged.targets:
        return {}
    target = judged.targets[name]
    kept = value <= target if better == "lower" else value >= target
    return {"target": target, "reached": None if math.isnan(value) else kept}


SPECS = (
    MetricSpec(
        name="coverage",
        place=140,
        summary="Share of samples that the decision rule does not abstain on.",
        target=f"{__name__}:Coverage",
        better="higher",
        equation="mean([decision is not abstain])",
        paper="El-Yaniv & Wiener 2010",
        needs_decision=True,
        rankable=False,
    ),
    MetricSpec(
        name="selective_risk",
        place=150,
        summary="Error rate among the samples that the decision rule accepts.",
        target=f"{__name__}:SelectiveRisk",
        equation="errors among accepted / accepted",
        paper="El-Yaniv & Wiener 2010; Geifman & El-Yaniv 2017, arXiv:1705.08500",
        needs_decision=True,
        deviations=("Its details hold the risk-coverage curve and AURC of the score that the rule abstains by.",),
    ),
)


class Coverage(Metric):
    """`mean([decision is not abstention])`, a fraction. Source: El-Yaniv & Wiener 2010."""

    def value(self, judged: Judged) -> float:
        """Accepted samples / N."""
        return float(_accepted(judged).sum() / judged.n)

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Weighted share of accepted samples."""
        return weighted_mean(weights, _accepted(judged))

    def details(self, judged: Judged) -> Details:
        """`abstention_per_class`: share abstained on of each true class, K entries, None for an absent class; the target."""
        count = np.bincount(judged.labels, minlength=judged.num_classes)
        kept = np.bincount(judged.labels, weights=_accepted(judged), minlength=judged.num_classes)
        rate = [float(1 - k / c) if c else None for k, c in zip(kept, count, strict=True)]
        return {
            "abstention_per_class": list(rate),
            **against_target(judged, "coverage", self.value(judged), "higher"),
        }


class SelectiveRisk(Metric):
    """`errors among the accepted / accepted`, a fraction, where an error is a decision other than the label.

    NaN (undefined) when nothing is accepted. Source: El-Yaniv & Wiener 2010; Geifman & El-Yaniv 2017.
    """

    def value(self, judged: Judged) -> float:
        """The figure over all samples; NaN at coverage 0."""
        return float(self.resampled(judged, np.ones((1, judged.n)))[0])

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Weighted errors among the accepted / weighted count of the accepted; NaN where that is 0."""
        accepted = _accepted(judged)
        wrong = accepted * (_decisions(judged) != judged.labels)
        sums = weighted_sums(weights, np.stack([wrong, accepted], axis=1))
        # An integer count, so the comparison with 0 is exact.
        return np.where(sums[:, 1] > 0, sums[:, 0] / np.maximum(sums[:, 1], 1), np.nan)

    def details(self, judged: Judged) -> Details:
        """The risk-coverage curve of the `score` in use, of the most probable class: `curve_coverage`, `curve_risk`, `aurc`.

        It shows what other thresholds on that score would give; and the target.
        """
        wrong = 1 - judged.correct
        coverage, risk = risk_coverage(judged.uncertainty, wrong, POINTS)
        return {
            "score": judged.score,
            "aurc": area_under(judged.uncertainty, wrong),
            "curve_coverage": coverage.tolist(),
            "curve_risk": risk.tolist(),
            **against_target(judged, "selective_risk", self.value(judged), "lower"),
        }
