"""Area under the precision-recall curve (AUPRC) of the classes, as average precision."""

from __future__ import annotations

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.class_rank_metric import ClassRankMetric
from calibench.metrics.class_runs import ranked_classes
from calibench.metrics.judged import Judged
from calibench.metrics.label_answers import sample_weights
from calibench.metrics.sample_weight import nonzero
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="auprc",
    place=450,
    summary="Average precision: of p_1 for two classes, else the mean over classes, or over labels.",
    target=f"{__name__}:AUPRC",
    better="higher",
    equation="mean_k sum_t (recall_t - recall_{t-1}) precision_t, t the distinct p_k, largest first",
    paper="Davis & Goadrich 2006, without interpolation",
    deviations=(
        "A class that no sample has, or every sample, is left out of the mean. A class of frequency c scores about c by "
        "chance.",
    ),
    optional=True,
)

ROUNDING = 1e-12
"""Sums of weights that differ by less, relative to their size, are equal."""


class AUPRC(ClassRankMetric):
    """`sum over thresholds of (recall - recall before) * precision`, a fraction, equal probabilities under one threshold.

    It is that of class 1 for two classes, the mean over classes one against the rest for K > 2, and the mean over labels if
    samples have several. A class that no sample has, or every sample, is left out; NaN if none remains.
    Source: Davis & Goadrich 2006, "The relationship between precision-recall and ROC curves".
    """

    def by_class(self, judged: Judged, weights: Floats) -> Floats:
        """Average precision of each class, `[C, B]`, NaN where it is undefined."""
        runs = ranked_classes(judged)
        total, positive = runs.counts(sample_weights(judged, weights))
        samples, of_class = runs.per_class(total), runs.per_class(positive)
        # Those at the threshold and above: all of the class less those below.
        selected = samples[runs.class_of] - runs.until(total) + total
        found = of_class[runs.class_of] - runs.until(positive) + positive
        precision = found / nonzero(selected)
        others = samples - of_class > ROUNDING * samples
        share = runs.per_class(positive * precision)
        return np.divide(share, of_class, out=np.full_like(share, np.nan), where=(of_class > 0) & others)
