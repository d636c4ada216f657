"""Averaged two-bin calibration error (ATB) of the top label: two bins, averaged over every edge between them."""

from __future__ import annotations

import math

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import times_weight, total_of
from calibench.metrics.metric import Details
from calibench.metrics.weighted_metric import WeightedMetric
from calibench.plugins.specs import MetricSpec

SPEC = MetricSpec(
    name="atb",
    place=360,
    summary="Averaged two-bin calibration error, top label: no number of bins to choose.",
    target=f"{__name__}:ATB",
    unit="squared probability",
    equation="1/N^2 int_0^1 (sum_{c_i < q} (c_i - a_i))^2 + (sum_{c_i >= q} (c_i - a_i))^2 dq",
    paper="Hartline, Hu & Wu 2025, arXiv:2508.13100",
    deviations=(
        "The paper predicts a binary outcome; here c_i is the confidence and a_i is 1 if the top label is right.",
    ),
    order_only=True,
    estimand="none: no interval of this figure is known to cover the population value",
    optional=True,
)


class ATB(WeightedMetric):
    """`1 / N^2 * integral over q in [0, 1] of (gap sum where confidence < q)^2 + (gap sum where confidence >= q)^2`, in [0, 1].

    The gap of a sample is confidence - [prediction = label]. The sums change only where q passes a confidence, so the
    integral is a finite sum over the ranked confidences. The paper proves for binary outcomes that the true probabilities
    minimise the expected figure. Source: Hartline, Hu & Wu 2025, "A perfectly truthful calibration measure".
    """

    bias_corrected = True
    takes_weights = True

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Confidences fix the order and the widths of the steps."""
        order, widths = self._steps(judged)
        gap = (judged.confidence - judged.correct)[order]
        return np.array([_integral(row[order] * gap, widths, float(row.sum())) for row in weights])

    def details(self, judged: Judged) -> Details:
        """`root`, the root of the figure, on the scale of a probability."""
        return {"root": math.sqrt(self.value(judged))}

    def floor_draws(self, judged: Judged, correct: Bools, labels: Ints) -> Floats:
        """The figure if sample i is correct with probability confidence_i."""
        order, widths = self._steps(judged)
        total = total_of(judged)
        gaps = (times_weight(judged, judged.confidence - row)[order] for row in correct)
        return np.array([_integral(gap, widths, total) for gap in gaps])

    def _steps(self, judged: Judged) -> tuple[Ints, Floats]:
        """Samples from least to most confident, `[N]`, and the widths between 0, their confidences and 1, `[N + 1]`."""
        order = judged.by_confidence
        confidence = np.minimum(judged.confidence[order], 1)
        return order, np.diff(np.concatenate([[0.0], confidence, [1.0]]))


def _integral(gaps: Floats, widths: Floats, n: float) -> float:
    """The figure from the weighted gap of each sample in rank order."""
    below = np.concatenate([[0.0], gaps.cumsum()])
    above = below[-1] - below
    return float((widths * (below**2 + above**2)).sum() / n**2)
