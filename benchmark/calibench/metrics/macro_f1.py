"""Macro F1: the F1 of each label, averaged over labels, if samples have several."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once
from calibench.metrics.label_answers import answers_by_label, has_several_labels, labels_by_sample, sample_weights
from calibench.metrics.metric import Details, Metric
from calibench.metrics.weighted import weighted_sums
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="macro_f1",
    place=110,
    summary="F1 of each label, averaged over labels, where samples have several labels.",
    target=f"{__name__}:MacroF1",
    better="higher",
    equation="mean_k 2 TP_k / (2 TP_k + FP_k + FN_k)",
    paper="M.-L. Zhang, Z.-H. Zhou 2014",
    deviations=("F1 is 0 for a label that no sample has and no answer gives; an abstention is not a yes.",),
)


class MacroF1(Metric):
    """`mean over labels of 2 TP / (2 TP + FP + FN)`, a fraction.

    A label that no sample has, and that no answer gives to a sample, has F1 = 0. An abstention is not a yes.
    """

    takes_weights = True

    def applies(self, judged: Judged) -> bool:
        """True if samples have several labels."""
        return has_several_labels(judged)

    def value(self, judged: Judged) -> float:
        """The mean over labels."""
        return float(_f1_of_all(judged).mean())

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """The mean over labels, from weighted counts."""
        means: Floats = _f1(judged, sample_weights(judged, weights)).mean(axis=1)
        return means

    def details(self, judged: Judged) -> Details:
        """`by_label`: the F1 of each label, in the order of the labels."""
        return {"by_label": [float(f1) for f1 in _f1_of_all(judged)]}


def _f1_of_all(judged: Judged) -> Floats:
    """F1 of each label over all samples, `[Q]`."""
    f1: Floats = _f1(judged, sample_weights(judged, once(judged)))[0]
    return f1


def _f1(judged: Judged, weights: Floats) -> Floats:
    """F1 of each label, `[B, Q]`, for weights `[B, N]` of the samples."""
    yes, truth = answers_by_label(judged) == 1, labels_by_sample(judged) == 1
    true_positives = weighted_sums(weights, (yes & truth).astype(np.float64))
    total = weighted_sums(weights, yes.astype(np.float64) + truth)  # 2 TP + FP + FN
    return np.divide(2 * true_positives, total, out=np.zeros_like(true_positives), where=total > 0)
