"""Risks of answering the most probable class up to a limit on the uncertainty, and p-values that they exceed their targets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from calibench.lazy import np
from calibench.metrics.binning import Bools, Floats, Ints


class Sample(NamedTuple):
    """What the risks are counted from: `doubt [N]`, `answers [N]` of the argmax, `labels [N]`."""

    doubt: Floats
    answers: Ints
    labels: Ints

    def take(self, rows: Ints | Bools) -> Sample:
        """The rows of the sample."""
        return Sample(self.doubt[rows], self.answers[rows], self.labels[rows])


@dataclass(frozen=True)
class Risks:
    """The targets that are set, None for the others, and the matrix `costs [K, K + 1]` of `target_cost`."""

    target_risk: float | None = None
    target_class_risk: float | None = None
    target_cost: float | None = None
    costs: list[list[float]] | None = None

    def p_value(self, sample: Sample, limit: float, num_classes: int) -> float:
        """The p-value of "some risk exceeds its target at this limit": the largest over the risks.

        The error rate is tested given the number of answers, that of a class given the number of its samples: 1 if there are
        none. The limit must not depend on the sample.
        """
        from scipy.special import bdtr

        accepted = sample.doubt <= limit
        wrong = accepted & (sample.answers != sample.labels)
        p = 0.0
        if self.target_risk is not None:
            p = float(bdtr(float(wrong.sum()), int(accepted.sum()), self.target_risk)) if accepted.any() else 1.0
        if self.target_class_risk is not None:
            n = np.bincount(sample.labels, minlength=num_classes)
            errors = np.bincount(sample.labels[wrong], minlength=num_classes)
            by_class = bdtr(errors.astype(np.float64), np.maximum(n, 1), self.target_class_risk)
            p = max(p, float(np.where(n > 0, by_class, 1.0).max()))
        if self.costs is not None and self.target_cost is not None:
            low, high = float(np.min(self.costs)), float(np.max(self.costs))
            scaled = (self._costs_of(sample, accepted) - low) / (high - low)
            p = max(p, hoeffding_bentkus(float(scaled.mean()), len(scaled), (self.target_cost - low) / (high - low)))
        return p

    def figures(self, sample: Sample, limit: float) -> dict[str, Any]:
        """Coverage, and each controlled risk, of the samples that tested the limit."""
        accepted = sample.doubt <= limit
        wrong = accepted & (sample.answers != sample.labels)
        figures: dict[str, Any] = {"cal_coverage": float(accepted.mean())}
        if self.target_risk is not None:
            figures["cal_risk"] = float(wrong.sum() / accepted.sum())
        if self.target_class_risk is not None:
            n = np.bincount(sample.labels)
            errors = np.bincount(sample.labels[wrong], minlength=len(n))
            figures["cal_class_risk"] = float((errors / np.maximum(n, 1)).max())
        if self.costs is not None:
            figures["cal_cost"] = float(self._costs_of(sample, accepted).mean())
        return figures

    def _costs_of(self, sample: Sample, accepted: Bools) -> Floats:
        """The cost of the decision on each sample; the last column is abstention."""
        costs: Floats = np.asarray(self.costs)[sample.labels, np.where(accepted, sample.answers, -1)]
        return costs


def hoeffding_bentkus(mean: float, n: int, target: float) -> float:
    """The p-value of "the expected loss exceeds `target`" for n losses in [0, 1] with this `mean`: the lesser of two bounds.

    Hoeffding: exp(-n KL(min(mean, target) || target)). Bentkus: e P(Bin(n, target) <= ceil(n mean)). Source: Bates,
    Angelopoulos et al., JACM 2021; Angelopoulos et al., Learn then Test, proposition 2.
    """
    from scipy.special import bdtr, rel_entr

    low = min(mean, target)
    hoeffding = math.exp(-n * float(rel_entr(low, target) + rel_entr(1 - low, 1 - target)))
    # Rounded before the ceiling: 0.07 * 100 is above 7 in floating point.
    bentkus = math.e * float(bdtr(float(math.ceil(round(n * mean, 9))), n, target))
    return min(1.0, hoeffding, bentkus)
