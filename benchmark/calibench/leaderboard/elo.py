"""Elo ratings of recipes over data sets: the Bradley-Terry model by maximum likelihood, so that no order of games matters.

Every task is a game of each pair of recipes; all tasks of a data set together count as one game. A tie is half a win, and a
recipe without a figure loses. Each recipe also draws once with an imagined one of the mean rating: without that, a recipe that
wins every game has no finite rating. Source: Bradley & Terry 1952, "Rank analysis of incomplete block designs".
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

from calibench.lazy import np
from calibench.leaderboard.grouped_means import NUMBERS, Floats
from calibench.leaderboard.task_figures import FEW, TaskFigures

MEAN = 1000.0
"""The mean rating of all recipes."""

POINTS = 400 / log(10)
"""Points a unit of log odds: a recipe that is 400 points ahead wins ten games of eleven."""

DRAWS = 1.0
"""The number of games with the imagined recipe."""

RESAMPLES = 1000


@dataclass(frozen=True)
class Elo:
    """A rating, and its 95 % bootstrap interval over data sets if there are enough of them."""

    rating: float
    interval: tuple[float, float] | None


def elo(table: TaskFigures, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Elo]:
    """The rating of each recipe; intervals are percentiles over resampled data sets, each recipe's by itself."""
    names = list(dict.fromkeys(table.datasets))
    scores = table.games()
    places = np.array([names.index(dataset) for dataset in table.datasets])
    of_dataset = np.array([scores[places == place].mean(axis=0) for place in range(len(names))])
    (ratings,) = ratings_of(of_dataset.sum(axis=0)[None])
    if len(names) < FEW:
        return {recipe: Elo(float(rating), None) for recipe, rating in zip(table.recipes, ratings, strict=True)}
    count = len(names)
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    distinct, draw = np.unique(weights, axis=0, return_inverse=True)
    size = max(1, NUMBERS // len(ratings) ** 2)
    drawn = [
        ratings_of(np.tensordot(distinct[start : start + size].astype(np.float64), of_dataset, axes=1))
        for start in range(0, len(distinct), size)
    ]
    low, high = np.quantile(np.concatenate(drawn)[draw.reshape(-1)], (0.025, 0.975), axis=0)
    return {
        recipe: Elo(float(ratings[row]), (float(low[row]), float(high[row])))
        for row, recipe in enumerate(table.recipes)
    }


def ratings_of(won: Floats, draws: float = DRAWS) -> Floats:
    """The ratings `[B, R]` of most likelihood for games `won [B, R, R]`, by Newton's method; their mean is `MEAN`."""
    played = won + np.swapaxes(won, 1, 2)
    strength = np.zeros(won.shape[:2])
    diagonal = np.arange(won.shape[1])
    for _ in range(200):
        expected = 1 / (1 + np.exp(strength[:, None, :] - strength[:, :, None]))
        with_mean = 1 / (1 + np.exp(-strength))
        slope = (won - played * expected).sum(axis=2) + draws * (0.5 - with_mean)
        bend = played * expected * (1 - expected)
        curve = -bend
        curve[:, diagonal, diagonal] += bend.sum(axis=2) + draws * with_mean * (1 - with_mean)
        step = np.clip(np.linalg.solve(curve, slope[..., None])[..., 0], -1.0, 1.0)
        strength += step
        if np.abs(step).max() < 1e-10:
            break
    ratings: Floats = MEAN + POINTS * (strength - strength.mean(axis=1, keepdims=True))
    return ratings
