"""Macro precision: the share of the answers of each class that are right, averaged over classes."""

from __future__ import annotations

from calibench.metrics.binning import Floats
from calibench.metrics.class_mean import ClassCounts, ClassMean, class_rate
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="precision",
    place=380,
    summary="Precision of each class, averaged over classes.",
    target=f"{__name__}:Precision",
    better="higher",
    equation="mean_k hits_k / answers_k",
    paper="van Rijsbergen 1979",
    deviations=(
        "0 for a class that no answer gives; a class without labels and answers is left out, as scikit-learn does.",
        "Answers are the decisions if a rule decided, else the predictions; an abstention is no answer.",
    ),
    optional=True,
)


class Precision(ClassMean):
    """`mean over classes of hits / answers`, a fraction.

    It is 0 for a class that no answer gives. A class without labels and answers is left out.
    """

    rate = "precision"

    def per_class(self, counts: ClassCounts) -> Floats:
        """Precision of each class."""
        return class_rate(counts.hits, counts.answers, counts.present)
