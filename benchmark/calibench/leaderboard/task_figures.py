"""The figures of recipes on several tasks: what boards over data sets are computed from."""

from __future__ import annotations

from dataclasses import dataclass

from calibench.lazy import np
from calibench.leaderboard.defaults import TOLERANCE
from calibench.leaderboard.grouped_means import Floats

FEW = 5
"""Fewer data sets than this give no interval of a mean over them: a bootstrap of so few covers too seldom."""


@dataclass(frozen=True)
class TaskFigures:
    """`figures [D, R]` of R recipes on D tasks, NaN where a recipe has none, and the data set of each task.

    Figures that differ by `tolerance` or less are equal.
    """

    recipes: tuple[str, ...]
    datasets: tuple[str, ...]
    figures: Floats
    better: str
    tolerance: float = TOLERANCE

    def scores(self) -> Floats:
        """The figures so that lower is better, infinite where there is none."""
        signed = self.figures if self.better == "lower" else -self.figures
        return np.where(np.isnan(signed), np.inf, signed)

    def games(self) -> Floats:
        """`[D, R, R]`: 1 where the recipe of the row is better than that of the column on the task, 0.5 where both are equal.

        The diagonal is 0. A recipe without a figure loses against each that has one.
        """
        scores = self.scores()
        mine, other = scores[:, :, None], scores[:, None, :]
        with np.errstate(invalid="ignore"):  # of two without a figure
            level = (np.abs(mine - other) <= self.tolerance) | (mine == other)
        won: Floats = np.where(level, 0.5, mine < other)
        won[:, np.arange(scores.shape[1]), np.arange(scores.shape[1])] = 0.0
        return won
