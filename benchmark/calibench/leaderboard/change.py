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


@dataclass(frozen=True)
class Difference:
    """A difference of two figures: its paired replicates, and its squared standard errors over seeds, with degrees of freedom.

    The squared errors add up. There are none for one network against one. `replicates` is None if the spread is not known.
    """

    estimate: float
    replicates: Values | None
    over_seeds: tuple[tuple[float, int], ...] = ()

    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval; None if the spread is not known.

        For one network against one it is the percentile interval of the replicates. Otherwise it is `estimate +- t * sqrt(V + S)`.
        V is the variance of the replicates, S the sum of the squared errors over seeds. t is Cochran's (1964): the mean of
        Student's quantile for each part of S and of the normal one for V, weighted by the parts and V. The degrees of freedom of
        Welch and Satterthwaite cover too little with two or three seeds.
        """
        if self.replicates is None or np.isnan(self.replicates).all():
            return None
        if not self.over_seeds:
            return interval(self.replicates)
        defined = self.replicates[~np.isnan(self.replicates)]
        parts = [(float(defined.var()), math.inf), *self.over_seeds]
        total = sum(square for square, _ in parts)
        weighted = sum(square * student_quantile(freedom) for square, freedom in parts)
        margin = weighted / math.sqrt(total) if total > 0 else 0.0
        return self.estimate - margin, self.estimate + margin


def change(figures: Figures, base: Figures) -> Change:
    """The change from `base` to `figures`, and its 95 % interval, over test samples and seeds.

    With one seed each the interval is about these two networks. Without replicates there is none.
    """
    found = difference(figures, base)
    return Change(found.estimate, found.interval())


def difference(figures: Figures, base: Figures) -> Difference:
    """`figures` less `base`. Its spread over seeds is that of the differences seed by seed if both have the same seeds.

    Otherwise it is the sum of both sides' spreads. It is not known if one side alone has several seeds.
    """
    estimate = figures.mean - base.mean
    counts = {len(figures.of_seed), len(base.of_seed)}
    if figures.replicates is None or base.replicates is None or (1 in counts and counts != {1}):
        return Difference(estimate, None)
    replicates = figures.replicates - base.replicates
    return Difference(estimate, replicates, () if counts == {1} else tuple(_squared_errors(figures, base)))


def _squared_errors(figures: Figures, base: Figures) -> list[tuple[float, int]]:
    """Squared standard errors of means over seeds, which add up, each with its degrees of freedom."""
    if figures.of_seed.keys() == base.of_seed.keys():
        samples = [np.array([figures.of_seed[seed] - base.of_seed[seed] for seed in figures.of_seed])]
    else:
        samples = [np.array(list(side.of_seed.values())) for side in (figures, base)]
    return [(float(values.var(ddof=1)) / len(values), len(values) - 1) for values in samples]
