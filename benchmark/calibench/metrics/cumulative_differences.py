"""CumulativeMetric: the base class of `ks` and `kuiper`, which need no bins: they sum gaps in the order of confidence."""

from __future__ import annotations

import math
from abc import abstractmethod

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints
from calibench.metrics.gap_figure import GapFigure, TopFigure
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import times_weight, total_of
from calibench.metrics.metric import Details
from calibench.metrics.no_interval import NoInterval
from calibench.metrics.top_figure import fine_cells
from calibench.metrics.weighted_metric import WeightedMetric


class CumulativeMetric(WeightedMetric):
    """A figure of the cumulative differences `C_j = 1/N sum over samples up to the j-th confidence of (confidence - correct)`.

    Samples are sorted by confidence, and samples of equal confidence are added together: no order among them is defined.
    Subclasses write `size` and `tail`. Source: Arrieta-Ibarra, Gujral, Tannen, Tygert & Xu 2022, JMLR 23(351).
    """

    of_top_label = True
    bias_corrected = True
    takes_weights = True

    @abstractmethod
    def size(self, sums: Floats) -> Floats:
        """The figure `[B]` of cumulative differences `sums [B, J]`, whose starting point C_0 = 0 is not among them."""

    @abstractmethod
    def tail(self, ratio: float) -> float:
        """The probability that `size` of Brownian motion on [0, 1] is larger than `ratio`."""

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """The order of confidences is that of the sample in every resample."""
        order, ends = _order(judged)
        gaps = judged.memo("gaps_by_confidence", lambda: (judged.confidence - judged.correct)[order])
        return self._figure(weights[:, order] * gaps, ends, weights.sum(axis=1))

    def floor_draws(self, judged: Judged, correct: Bools, labels: Ints) -> Floats:
        """The figure if sample i is correct with probability confidence_i."""
        order, ends = _order(judged)
        gaps = times_weight(judged, judged.confidence - correct)
        return self._figure(gaps[:, order], ends, total_of(judged))

    def gap_figure(self, judged: Judged) -> GapFigure | NoInterval:
        """The same of parts of bins, in the order of confidence."""
        cells = fine_cells(judged)
        if isinstance(cells, NoInterval):
            return cells

        def running(sums: Floats, threshold: float) -> Floats:
            return sums.cumsum(axis=1) / total_of(judged)

        return TopFigure(cells, lambda sums: self.size(running(sums, 0.0)), running, self.size)

    def _figure(self, gaps: Floats, ends: Ints, total: Floats | float) -> Floats:
        sums = gaps.cumsum(axis=1)
        figure: Floats = self.size(sums if len(ends) == sums.shape[1] else sums[:, ends]) / total
        return figure

    def details(self, judged: Judged) -> Details:
        """`sigma`, `ratio` = figure / sigma, and `p_value` of a calibrated model as N grows.

        `sigma = sqrt(sum_i confidence_i (1 - confidence_i)) / N` is the standard deviation of the last C_j if the model is
        calibrated; of weighted samples, each term has the squared weight. The ratio then tends to the same figure of
        Brownian motion. If no confidence is below 1, sigma is 0 and the others are undefined. The p-value needs independent
        samples: it is left out if a sample has several labels.
        """
        confidence = np.minimum(judged.confidence, 1.0)
        variance = times_weight(judged, times_weight(judged, confidence * (1 - confidence)))
        sigma = math.sqrt(float(variance.sum())) / total_of(judged)
        ratio = self.value(judged) / sigma if sigma > 0 else math.nan
        details: Details = {"sigma": sigma, "ratio": ratio}
        if judged.labels_per_sample == 1:
            details["p_value"] = self.tail(ratio)
        return details


def _order(judged: Judged) -> tuple[Ints, Ints]:
    """The samples from the smallest to the largest confidence `[N]`, and the place of the last of each run of equal ones."""
    return judged.memo("confidence_runs", lambda: _sorted_with_ends(judged.confidence))


def _sorted_with_ends(confidence: Floats) -> tuple[Ints, Ints]:
    order = np.argsort(confidence, kind="stable")
    ranked = confidence[order]
    return order, np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
