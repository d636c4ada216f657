"""Coverage of prediction sets: how often the label is in the set, over all and class by class."""

from __future__ import annotations

from calibench.errors import InputError
from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats
from calibench.metrics.binomial import lower_bound, upper_bound
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Details, Metric, weighted_mean
from calibench.metrics.selective import against_target
from calibench.plugins.specs import MetricSpec

LEVEL = 0.95
"""Of the interval of each class."""


def sets_of(judged: Judged) -> Bools:
    """The sets `[N, K]`; InputError where no rule made any."""
    if judged.sets is None:
        raise InputError("there are no sets to judge", "end the recipe with a rule that makes them, as conformal")
    return judged.sets


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
    deviations=("Its details hold the coverage of each class with a Clopper-Pearson interval.",),
)


class SetCoverage(Metric):
    """`mean([label in set])`, a fraction. Source: Vovk, Gammerman & Shafer 2005; Romano, Sesia & Candes 2020."""

    def applies(self, judged: Judged) -> bool:
        """Only where a rule made sets."""
        return judged.sets is not None

    def value(self, judged: Judged) -> float:
        """Covered samples / N."""
        return float(_covered(judged).sum() / judged.n)

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Weighted share of covered samples."""
        return weighted_mean(weights, _covered(judged))

    def details(self, judged: Judged) -> Details:
        """`per_class`, the coverage of each true class, with its 95 % Clopper-Pearson interval `per_class_low`, `_high`.

        K entries each, None for an absent class; and the target.
        """
        count = np.bincount(judged.labels, minlength=judged.num_classes)
        hits = np.bincount(judged.labels, weights=_covered(judged), minlength=judged.num_classes)
        tail = (1 - LEVEL) / 2
        columns = hits / np.maximum(count, 1), lower_bound(hits, count, tail), upper_bound(hits, count, tail)
        share, low, high = ([float(v) if c else None for v, c in zip(x, count, strict=True)] for x in columns)
        return {
            "per_class": list(share),
            "per_class_low": list(low),
            "per_class_high": list(high),
            **against_target(judged, "set_coverage", self.value(judged), "higher"),
        }


def _covered(judged: Judged) -> Floats:
    covered: Floats = sets_of(judged)[np.arange(judged.n), judged.labels].astype(np.float64)
    return covered
