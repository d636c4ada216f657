"""The figures of recipes on several tasks: what boards over data sets are computed from."""

from __future__ import annotations

from dataclasses import dataclass

from calibench.lazy import np
from calibench.leaderboard.grouped_means import Floats

FEW = 5
"""Fewer data sets than this give no interval of a mean over them: a bootstrap of so few covers too seldom."""


@dataclass(frozen=True)
class TaskFigures:
    """`figures [D, R]` of R recipes on D tasks, NaN where a recipe has none, and the data set of each task."""

    recipes: tuple[str, ...]
    datasets: tuple[str, ...]
    figures: Floats
    better: str

    def scores(self) -> Floats:
        """The figures so that lower is better, infinite where there is none."""
        signed = self.figures if self.better == "lower" else -self.figures
        return np.where(np.isnan(signed), np.inf, signed)
