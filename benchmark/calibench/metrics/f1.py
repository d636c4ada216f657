"""Macro F1: the F1 of each class, averaged over classes."""

from __future__ import annotations

from calibench.metrics.binning import Floats
from calibench.metrics.class_mean import ClassCounts, ClassMean, class_rate
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="f1",
    place=395,
    summary="F1 of each class, averaged over classes.",
    target=f"{__name__}:F1",
    better="higher",
    equation="mean_k 2 hits_k / (answers_k + support_k)",
    paper="van Rijsbergen 1979",
    deviations=(
        "A class without labels and answers is left out, as scikit-learn does.",
        "Answers are the decisions if a rule decided, else the predictions; an abstention is no answer.",
    ),
    optional=True,
)


class F1(ClassMean):
    """`mean over classes of 2 hits / (answers + support)`, a fraction: the harmonic mean of precision and recall.

    A class without labels and answers is left out. `macro_f1` is the figure of samples with several labels.
    """

    rate = "f1"

    def per_class(self, counts: ClassCounts) -> Floats:
        """F1 of each class."""
        return class_rate(2 * counts.hits, counts.answers + counts.support, counts.present)
