"""Macro recall: the share of the samples of each class that are answered right, averaged over classes."""

from __future__ import annotations

from calibench.metrics.binning import Floats
from calibench.metrics.class_mean import ClassCounts, ClassMean, class_rate
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="recall",
    place=390,
    summary="Recall of each class, averaged over classes.",
    target=f"{__name__}:Recall",
    better="higher",
    equation="mean_k hits_k / support_k",
    paper="van Rijsbergen 1979",
    deviations=(
        "0 for a class that no label has; a class without labels and answers is left out, as scikit-learn does.",
        "Answers are the decisions if a rule decided, else the predictions; an abstention is no answer.",
    ),
    optional=True,
)


class Recall(ClassMean):
    """`mean over classes of hits / support`, a fraction.

    It is 0 for a class that answers give and no label has. A class without labels and answers is left out. `balanced_accuracy`
    leaves out both.
    """

    rate = "recall"

    def per_class(self, counts: ClassCounts) -> Floats:
        """Recall of each class."""
        return class_rate(counts.hits, counts.support, counts.present)
