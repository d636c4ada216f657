"""Area under the ROC curve (AUROC) of the classes: how often the probability of a class ranks a sample of it above another."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.class_rank_metric import ClassRankMetric
from calibench.metrics.class_runs import ranked_classes
from calibench.metrics.judged import Judged
from calibench.metrics.label_answers import sample_weights
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="auroc",
    place=445,
    summary="Area under the ROC curve: of p_1 for two classes, else the mean over classes, or over labels.",
    target=f"{__name__}:AUROC",
    better="higher",
    equation="mean_k P(p_k of a sample of k > p_k of another) + P(equal) / 2",
    paper="Hanley & McNeil 1982; one against the rest as in Provost & Domingos 2000, not weighted by frequency",
    deviations=(
        "A class that no sample has, or every sample, is left out of the mean. Probabilities that round to the same float64 "
        "are equal.",
    ),
    optional=True,
)


class AUROC(ClassRankMetric):
    """`P(p_k of a sample of class k > p_k of another sample) + P(equal) / 2`, a fraction; 1/2 says nothing, 1 is perfect.

    It is that of class 1 for two classes, the mean over classes one against the rest for K > 2, and the mean over labels if
    samples have several. A class that no sample has, or every sample, is left out; NaN if none remains.
    Source: Hanley & McNeil 1982, "The meaning and use of the area under a ROC curve".
    """

    def by_class(self, judged: Judged, weights: Floats) -> Floats:
        """AUROC of each class, `[C, B]`, NaN where it is undefined."""
        runs = ranked_classes(judged)
        total, positive = runs.counts(sample_weights(judged, weights))
        negative = total - positive
        below = runs.until(negative) - negative / 2
        pairs = runs.per_class(positive) * runs.per_class(negative)
        won = runs.per_class(positive * below)
        return np.divide(won, pairs, out=np.full_like(pairs, np.nan), where=pairs > 0)
