"""Balanced accuracy: the recall of each class, averaged over the classes that labels have."""

from __future__ import annotations

from calibench.metrics.binning import Floats
from calibench.metrics.class_mean import ClassCounts, ClassMean, class_rate
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="balanced_accuracy",
    place=370,
    summary="Mean over classes of the share of their samples that are answered right.",
    target=f"{__name__}:BalancedAccuracy",
    better="higher",
    equation="mean_k hits_k / support_k, over classes with labels",
    paper="Brodersen et al. 2010",
    deviations=(
        "A class without labels is left out, as scikit-learn does.",
        "Answers are the decisions if a rule decided, else the predictions; an abstention is no answer.",
    ),
    optional=True,
)


class BalancedAccuracy(ClassMean):
    """`mean over the classes that labels have of hits / support`, a fraction: the accuracy if every class had as many samples.

    A class without labels is left out, also if an answer gives it.
    """

    rate = "recall"

    def per_class(self, counts: ClassCounts) -> Floats:
        """Recall of each class."""
        return class_rate(counts.hits, counts.support, counts.support > 0)
