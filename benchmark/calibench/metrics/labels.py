"""Figures of several labels a row: whether all are answered right, and F1 over labels."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Details, Metric, weighted_mean, weighted_sums
from calibench.plugins.specs import MetricSpec

SPECS = (
    MetricSpec(
        name="exact_match",
        place=100,
        summary="Share of samples all of whose labels are answered right, where samples have several.",
        target=f"{__name__}:ExactMatch",
        better="higher",
        equation="mean([answers = labels])",
        paper="M.-L. Zhang, Z.-H. Zhou 2014 (subset accuracy)",
        deviations=("Answers are the decision rule's, or the more probable; an abstention is not right.",),
    ),
    MetricSpec(
        name="macro_f1",
        place=110,
        summary="F1 of each label, averaged over labels, where samples have several.",
        target=f"{__name__}:MacroF1",
        better="higher",
        equation="mean_k 2 TP_k / (2 TP_k + FP_k + FN_k)",
        paper="M.-L. Zhang, Z.-H. Zhou 2014",
        deviations=("A label that nobody has and nobody is told to have counts as 0; an abstention is no yes.",),
    ),
)


class ExactMatch(Metric):
    """`mean([every label of the sample is answered right])`; an abstention is not right."""

    def applies(self, judged: Judged) -> bool:
        """Only where samples have several labels."""
        return judged.labels_per_sample > 1

    def value(self, judged: Judged) -> float:
        """Samples without an error / samples."""
        return float(_all_right(judged).mean())

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Weighted share of samples without an error."""
        return weighted_mean(
            weights[:, :: judged.labels_per_sample], judged.memo("all right", lambda: _all_right(judged))
        )


class MacroF1(Metric):
    """`mean over labels of 2 TP / (2 TP + FP + FN)`; a label that nobody has and nobody is told to have counts as 0."""

    def applies(self, judged: Judged) -> bool:
        """Only where samples have several labels."""
        return judged.labels_per_sample > 1

    def value(self, judged: Judged) -> float:
        """The mean over labels."""
        return float(_f1(judged, np.ones((1, judged.n // judged.labels_per_sample))).mean())

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """From weighted counts."""
        means: Floats = _f1(judged, weights[:, :: judged.labels_per_sample]).mean(axis=1)
        return means

    def details(self, judged: Judged) -> Details:
        """`by_label`, F1 of each label in order."""
        return {"by_label": [float(f) for f in _f1(judged, np.ones((1, judged.n // judged.labels_per_sample)))[0]]}


def _said(judged: Judged) -> Ints:
    """The decisions, or the more probable answers where no rule decided, `[N, Q]`."""
    answers = judged.prediction if judged.decisions is None else judged.decisions
    return answers.reshape(-1, judged.labels_per_sample)


def _all_right(judged: Judged) -> Floats:
    right: Floats = (
        (_said(judged) == judged.labels.reshape(-1, judged.labels_per_sample)).all(axis=1).astype(np.float64)
    )
    return right


def _f1(judged: Judged, weights: Floats) -> Floats:
    """F1 of each label, `[B, Q]`, by the weights `[B, N]` of the samples."""
    said, truth = _said(judged) == 1, judged.labels.reshape(-1, judged.labels_per_sample) == 1
    hits = weighted_sums(weights, (said & truth).astype(np.float64))
    total = weighted_sums(weights, said.astype(np.float64) + truth)  # 2 TP + FP + FN
    f1: Floats = np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0)
    return f1
