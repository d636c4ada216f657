"""SampleMean: the base class of metrics that are a mean over samples."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import mean_of
from calibench.metrics.metric import Metric
from calibench.metrics.no_interval import NoInterval
from calibench.metrics.resamples import Resamples
from calibench.metrics.sample_weight import nonzero
from calibench.metrics.weighted import weighted_mean

_OF_THE_MEAN = frozenset({"value", "resampled", "of_resamples", "floor_draws", "floor_counts", "details"})


class SampleMean(Metric):
    """The mean of one number per sample. Subclass it and write `per_sample`.

    ```python
    class MeanConfidence(SampleMean):
        def per_sample(self, judged):
            return judged.confidence
    ```
    """

    share: ClassVar[bool] = False
    """True if the numbers are 0 or 1 for every classifier, so that the figure is the share of some samples."""

    least: ClassVar[float] = -math.inf
    most: ClassVar[float] = math.inf
    """The range of the numbers for every classifier. Few samples may give a bound of the mean outside, which is then moved to the
    range's end: the mean of the population lies inside, so the interval covers it as often."""

    takes_weights = True

    def __init_subclass__(cls, **keywords: Any) -> None:
        """A subclass that writes a figure or details of its own says itself whether they heed weights."""
        super().__init_subclass__(**keywords)
        if "takes_weights" not in vars(cls) and not _OF_THE_MEAN.isdisjoint(vars(cls)):
            cls.takes_weights = False

    @abstractmethod
    def per_sample(self, judged: Judged) -> Floats | Bools:
        """The number of each sample, `[N]`, or whether it counts; called once per `judged`."""

    def value(self, judged: Judged) -> float:
        """The mean over samples."""
        return mean_of(judged, self.numbers(judged))

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """The weighted mean over samples."""
        return weighted_mean(weights, self.numbers(judged).astype(np.float64, copy=False))

    def of_resamples(self, judged: Judged, resamples: Resamples) -> Floats:
        """The weighted mean over samples."""
        sums, count = resamples.sums([self.numbers(judged)])
        mean: Floats = sums[0] / nonzero(count)
        return mean

    def in_range(self, bounds: list[float] | NoInterval) -> list[float] | NoInterval:
        """The bounds of the mean, moved into the range of the numbers."""
        if isinstance(bounds, NoInterval):
            return bounds
        least, most = (0.0, 1.0) if self.share else (self.least, self.most)
        return [max(bounds[0], least), min(bounds[1], most)]

    def numbers(self, judged: Judged) -> Floats | Bools:
        """`per_sample`, computed once."""
        return judged.memo(("per_sample", self), lambda: self.per_sample(judged))
