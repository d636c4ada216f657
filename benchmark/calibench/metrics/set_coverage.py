"""Coverage of prediction sets: how often the set holds the label, over all samples and class by class."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.binomial import lower_bound, upper_bound
from calibench.metrics.judged import Judged
from calibench.metrics.judged_decisions import promise_details, sets_of
from calibench.metrics.judged_weights import times_weight
from calibench.metrics.metric import Details
from calibench.metrics.sample_mean import SampleMean
from calibench.plugins.specs import MetricSpec

LEVEL = 0.95
"""The level of each class's interval."""

SPEC = MetricSpec(
    name="set_coverage",
    place=160,
    summary="Share of samples whose label is in the set that the decision rule gives.",
    target=f"{__name__}:SetCoverage",
    better="higher",
    equation="mean([y in set])",
    paper="Vovk, Gammerman & Shafer 2005; Romano, Sesia & Candes 2020, arXiv:2006.02544",
    needs_decision=True,
    rankable=False,
    deviations=("The details hold the coverage of each class with a Clopper-Pearson interval.",),
)


class SetCoverage(SampleMean):
    """`mean([label in set])`, a fraction. Source: Vovk, Gammerman & Shafer 2005; Romano, Sesia & Candes 2020."""

    def applies(self, judged: Judged) -> bool:
        """True if the rule gives sets."""
        return judged.sets is not None

    share = True
    takes_weights = True

    def per_sample(self, judged: Judged) -> Floats:
        """1 where the set holds the label, else 0."""
        return sets_of(judged)[np.arange(judged.n), judged.labels].astype(np.float64)

    def details(self, judged: Judged) -> Details:
        """The target, and `per_class`: the coverage of each true class, between `per_class_low` and `per_class_high`.

        The bounds are 95 % Clopper-Pearson intervals, which weighted samples have not. K entries each, None for an absent class.
        """
        count = np.bincount(judged.labels, weights=judged.sample_weight, minlength=judged.num_classes)
        weights = times_weight(judged, self.per_sample(judged))
        covered = np.bincount(judged.labels, weights=weights, minlength=judged.num_classes)
        if judged.sample_weight is not None:
            shares: list[float | None] = [float(c / n) if n else None for c, n in zip(covered, count, strict=True)]
            return {"per_class": list(shares), **self._promise(judged)}
        tail = (1 - LEVEL) / 2
        columns = covered / np.maximum(count, 1), lower_bound(covered, count, tail), upper_bound(covered, count, tail)
        share, low, high = ([float(v) if c else None for v, c in zip(x, count, strict=True)] for x in columns)
        return {
            "per_class": list(share),
            "per_class_low": list(low),
            "per_class_high": list(high),
            **self._promise(judged),
        }

    def _promise(self, judged: Judged) -> Details:
        return promise_details(judged, "set_coverage", self.value(judged), "higher")
