"""Coverage of a decision rule that may abstain: the share of samples that it accepts."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.judged_decisions import acceptance, promise_details
from calibench.metrics.judged_weights import times_weight
from calibench.metrics.metric import Details
from calibench.metrics.sample_mean import SampleMean
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="coverage",
    place=140,
    summary="Share of samples that the decision rule accepts (does not abstain on).",
    target=f"{__name__}:Coverage",
    better="higher",
    equation="mean([decision is not abstain])",
    paper="El-Yaniv & Wiener 2010",
    needs_decision=True,
    rankable=False,
)


class Coverage(SampleMean):
    """`mean([decision is not abstention])`, a fraction. Source: El-Yaniv & Wiener 2010."""

    share = True
    takes_weights = True

    def per_sample(self, judged: Judged) -> Floats:
        """1 where the rule accepts the sample, 0 where it abstains."""
        return acceptance(judged)

    def details(self, judged: Judged) -> Details:
        """The target, and `abstention_per_class`: the rate of abstention of each true class, K entries, None if absent."""
        count = np.bincount(judged.labels, weights=judged.sample_weight, minlength=judged.num_classes)
        weights = times_weight(judged, self.per_sample(judged))
        accepted = np.bincount(judged.labels, weights=weights, minlength=judged.num_classes)
        rates = [float(1 - a / c) if c else None for a, c in zip(accepted, count, strict=True)]
        return {
            "abstention_per_class": list(rates),
            **promise_details(judged, "coverage", self.value(judged), "higher"),
        }
