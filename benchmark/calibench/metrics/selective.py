"""Coverage and selective risk of a decision rule that may abstain."""

from __future__ import annotations

import numpy as np

from calibench.errors import InputError
from calibench.metrics.binning import Floats, Ints
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Details, Metric, weighted_mean, weighted_sums
from calibench.outputs import ABSTAIN


def _decisions(judged: Judged) -> Ints:
    if judged.decisions is None:
        raise InputError("coverage and selective risk need decisions", "end the recipe with a decision rule")
    return judged.decisions


def _accepted(judged: Judged) -> Floats:
    accepted: Floats = (_decisions(judged) != ABSTAIN).astype(np.float64)
    return accepted


class Coverage(Metric):
    """`mean([decision is not abstention])`, a fraction. Source: El-Yaniv & Wiener 2010."""

    def value(self, judged: Judged) -> float:
        """Accepted samples / N."""
        return float(_accepted(judged).sum() / judged.n)

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Weighted share of accepted samples."""
        return weighted_mean(weights, _accepted(judged))

    def details(self, judged: Judged) -> Details:
        """`abstention_per_class`: share abstained on of each true class, K entries, None for an absent class."""
        count = np.bincount(judged.labels, minlength=judged.num_classes)
        kept = np.bincount(judged.labels, weights=_accepted(judged), minlength=judged.num_classes)
        rate = [float(1 - k / c) if c else None for k, c in zip(kept, count, strict=True)]
        return {"abstention_per_class": list(rate)}


class SelectiveRisk(Metric):
    """`errors among the accepted / accepted`, a fraction, where an error is a decision other than the label.

    NaN (undefined) when nothing is accepted. Source: El-Yaniv & Wiener 2010; Geifman & El-Yaniv 2017.
    """

    def value(self, judged: Judged) -> float:
        """The figure over all samples; NaN at coverage 0."""
        return float(self.resampled(judged, np.ones((1, judged.n)))[0])

    def resampled(self, judged: Judged, weights: Floats) -> Floats:
        """Weighted errors among the accepted / weighted count of the accepted; NaN where that is 0."""
        accepted = _accepted(judged)
        wrong = accepted * (_decisions(judged) != judged.labels)
        sums = weighted_sums(weights, np.stack([wrong, accepted], axis=1))
        # An integer count, so the comparison with 0 is exact.
        return np.where(sums[:, 1] > 0, sums[:, 0] / np.maximum(sums[:, 1], 1), np.nan)
