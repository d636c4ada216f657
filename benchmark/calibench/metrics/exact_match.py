"""Exact match (subset accuracy): the share of samples with every label answered right, if samples have several."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once
from calibench.metrics.label_answers import answers_by_label, has_several_labels, labels_by_sample, sample_weights
from calibench.metrics.metric import Metric
from calibench.metrics.weighted import weighted_mean
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="exact_match",
    place=100,
    summary="Share of samples with every label answered right, where samples have several labels.",
    target=f"{__name__}:ExactMatch",
    better="higher",
    equation="mean([answers = labels])",
    paper="M.-L. Zhang, Z.-H. Zhou 2014 (subset accuracy)",
    deviations=("Answers are those of the decision rule, or the more probable ones; an abstention is not right.",),
)


class ExactMatch(Metric):
    """`mean([every label of the sample is answered right])`, a fraction; an abstention is not right."""

    takes_weights = True

    def applies(self, judged: Judged) -> bool:
        """True if samples have several labels."""
        return has_several_labels(judged)

    def value(self, judged: Judged) -> float:
        """Samples without a wrong answer / samples."""
        return float(self.resampled(judged, once(judged))[0])

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """The weighted share of samples without a wrong answer."""
        return weighted_mean(sample_weights(judged, weights), judged.memo("all_right", lambda: _all_right(judged)))


def _all_right(judged: Judged) -> Floats:
    """`[N]`: 1 where all answers are right, else 0."""
    all_right: Floats = (answers_by_label(judged) == labels_by_sample(judged)).all(axis=1).astype(np.float64)
    return all_right
