"""The change of a figure from one recipe to another, with a 95 % interval from paired replicates and seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from calibench.lazy import np
from calibench.leaderboard.replicates import Values, interval
from calibench.student import student_quantile


@dataclass(frozen=True)
class Change:
    """A figure less that of the base, and the 95 % interval of this difference; None if its spread is not known."""

    estimate: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Figures:
    """One metric of one recipe: the figure of each seed, and its replicates, averaged over seeds; None if there are none."""

    of_seed: dict[int, float]
    replicates: Values | None

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return float(np.mean(list(self.of_seed.values())))


def change(figures: Figures, base: Figures) -> Change:
    """The change from `base` to `figures`, and its 95 % interval.

    With one seed each it is the percentile interval of the paired differences of replicates: over test samples, for these two
    networks. With several seeds it is `estimate +- t * sqrt(V + S)`, over test samples and seeds. V is the variance of the
    paired differences of replicates. S is the squared standard error of the mean over seeds: of the differences seed by seed if
    both have the same seeds, else the sum of both rows'. t is Cochran's (1964): the mean of Student's quantile for S (number of
    seeds less 1) and of the normal one for V, weighted by S and V. The degrees of freedom of Welch and Satterthwaite cover too
    little with two or three seeds. Without replicates, or if one side alone has several seeds, there is no interval.
    """
    estimate = figures.mean - base.mean
    if figures.replicates is None or base.replicates is None:
        return Change(estimate, None)
    differences = figures.replicates - base.replicates
    counts = {len(figures.of_seed), len(base.of_seed)}
    if counts == {1}:
        return Change(estimate, interval(differences))
    if 1 in counts or np.isnan(differences).all():
        return Change(estimate, None)
    squares = _squared_errors(figures, base)
    parts = [(float(np.nanvar(differences)), math.inf), *squares]
    total = sum(square for square, _ in parts)
    weighted = sum(square * student_quantile(freedom) for square, freedom in parts)
    margin = weighted / math.sqrt(total) if total > 0 else 0.0
    return Change(estimate, (estimate - margin, estimate + margin))


def _squared_errors(figures: Figures, base: Figures) -> list[tuple[float, int]]:
    """Squared standard errors of means over seeds, which add up, each with its degrees of freedom."""
    if figures.of_seed.keys() == base.of_seed.keys():
        samples = [np.array([figures.of_seed[seed] - base.of_seed[seed] for seed in figures.of_seed])]
    else:
        samples = [np.array(list(side.of_seed.values())) for side in (figures, base)]
    return [(float(values.var(ddof=1)) / len(values), len(values) - 1) for values in samples]
