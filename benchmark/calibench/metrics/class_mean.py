"""ClassMean: the base class of metrics that are a mean over classes of a rate, from the counts of each class."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, NamedTuple

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once
from calibench.metrics.metric import Details
from calibench.metrics.weighted_metric import WeightedMetric


class ClassCounts(NamedTuple):
    """Weighted counts of each class in each resample, `[B, K]` each."""

    hits: Floats
    """Samples of the class that got it as the answer."""
    answers: Floats
    """Samples that got the class as the answer."""
    support: Floats
    """Samples of the class."""

    @property
    def present(self) -> Bools:
        """True for a class that a label or an answer has."""
        return self.answers + self.support > 0


def class_counts(judged: Judged, weights: Floats, *, rule: bool = True) -> ClassCounts:
    """The counts for weights `[B, N]`. The answers are the decisions, or the predictions without a rule or with `rule=False`.

    An abstention is no answer: it counts in the support alone.
    """
    answers = judged.prediction if judged.decisions is None or not rule else judged.decisions
    has_answer, is_hit = answers >= 0, answers == judged.labels

    def count(classes: Ints, samples: Bools | slice) -> Floats:
        rows = [np.bincount(classes[samples], row[samples], minlength=judged.num_classes) for row in weights]
        return np.array(rows, dtype=np.float64)

    return ClassCounts(
        hits=count(judged.labels, is_hit),
        answers=count(answers, has_answer),
        support=count(judged.labels, slice(None)),
    )


class ClassMean(WeightedMetric):
    """The mean of a rate over classes. Subclass it and write `per_class`. It applies to one label per sample."""

    takes_weights = True
    rate: ClassVar[str]
    """The name of the rate in the details, `per_class_RATE`."""

    @abstractmethod
    def per_class(self, counts: ClassCounts) -> Floats:
        """The rate of each class, `[B, K]`; NaN for a class that the mean leaves out."""

    def applies(self, judged: Judged) -> bool:
        """True if each sample has one label."""
        return judged.labels_per_sample == 1

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """The mean over classes, from weighted counts."""
        rates = self.per_class(class_counts(judged, weights))
        in_mean = ~np.isnan(rates)
        mean: Floats = np.where(in_mean, rates, 0).sum(axis=1) / in_mean.sum(axis=1)
        return mean

    def details(self, judged: Judged) -> Details:
        """Lists in the order of the classes: the rate (null for a class that the mean leaves out), and the counts.

        If a rule decided, `per_class_RATE_without_rule` is the rate of the most probable classes.
        """
        counts = class_counts(judged, once(judged))
        before = {}
        if judged.decisions is not None:
            plain = self.per_class(class_counts(judged, once(judged), rule=False))
            before = {f"per_class_{self.rate}_without_rule": plain[0].tolist()}
        return {
            f"per_class_{self.rate}": self.per_class(counts)[0].tolist(),
            **before,
            "per_class_hits": _listed(judged, counts.hits),
            "per_class_answers": _listed(judged, counts.answers),
            "per_class_support": _listed(judged, counts.support),
        }


def _listed(judged: Judged, counts: Floats) -> list[float]:
    """The counts of `[1, K]`: whole numbers, or sums of weights."""
    row = counts[0]
    numbers: list[float] = (row.astype(np.int64) if judged.sample_weight is None else row).tolist()
    return numbers


def class_rate(hits: Floats, total: Floats, in_mean: Bools) -> Floats:
    """`hits / total` of each class, 0 if the total is 0, and NaN where not `in_mean`; `[B, K]`."""
    rate = np.divide(hits, total, out=np.zeros_like(hits), where=total > 0)
    return np.where(in_mean, rate, np.nan)
