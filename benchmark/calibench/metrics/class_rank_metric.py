"""ClassRankMetric: the base class of AUROC and AUPRC, which rank samples by the probability of each class or label."""

from __future__ import annotations

from abc import abstractmethod

from calibench.metrics.binning import Floats
from calibench.metrics.class_runs import mean_of_defined
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once
from calibench.metrics.label_answers import has_several_labels
from calibench.metrics.metric import Details
from calibench.metrics.weighted_metric import WeightedMetric


class ClassRankMetric(WeightedMetric):
    """The figure of class 1 for two classes, the mean over classes for K > 2, or the mean over several labels.

    Subclasses write `by_class`. A class without a figure is left out of the mean; NaN if none remains.
    """

    takes_weights = True

    @abstractmethod
    def by_class(self, judged: Judged, weights: Floats) -> Floats:
        """The figure of each class `[C, B]` in each row of `weights [B, N]`; NaN where it is undefined."""

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """The mean over the classes that are defined in the resample."""
        return mean_of_defined(self.by_class(judged, weights))

    def details(self, judged: Judged) -> Details:
        """`by_class` (K > 2) or `by_label`: the figure of each, null if it is undefined."""
        if judged.num_classes == 2 and not has_several_labels(judged):
            return {}
        figures = self.by_class(judged, once(judged))[:, 0]
        return {"by_label" if has_several_labels(judged) else "by_class": figures.tolist()}
