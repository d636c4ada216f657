"""WeightedMetric: the base class of metrics that are computed from how often each sample counts."""

from __future__ import annotations

from abc import abstractmethod

from calibench.metrics.binning import Floats
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once
from calibench.metrics.metric import Metric


class WeightedMetric(Metric):
    """A figure of weighted samples. Subclass it and write `resampled`; the figure itself has the samples' own weights.

    A subclass whose figure follows from real weights as well as from counts sets `takes_weights`.
    """

    def value(self, judged: Judged) -> float:
        """The figure of all samples."""
        return float(self.resampled(judged, once(judged))[0])

    @abstractmethod
    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """The figure of each row of `weights [B, N]`, `[B]`."""
