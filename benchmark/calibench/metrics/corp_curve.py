"""The CORP reliability curve: isotonic regression of labels on probabilities, with the band of a calibrated model.

Source: Dimitriadis, Gneiting & Jordan 2021, "Stable reliability diagrams for probabilistic classifiers", PNAS 118(8): no bins to
choose, and a consistency band from labels that are drawn from the probabilities.
"""

from __future__ import annotations

from typing import NamedTuple

from calibench.lazy import np
from calibench.metrics.binning import Floats, Ints

DRAWS = 200
MOST_DRAWN = 20_000
"""The band is drawn from at most so many samples, evenly spaced in the order of p, and then scaled to the number of all."""

STREAM = 9
"""Separates the random stream of the band from the others of a seed."""

GRID = 101


class CorpCurve(NamedTuple):
    """The curve at the probabilities that occur, and the band on a grid between the least and the largest of them."""

    p: Floats
    """`[J]`, ascending: the first and the last probability of each level of the curve."""
    fit: Floats
    """The share of positives at each, `[J]`, never falling."""
    grid: Floats
    low: Floats
    high: Floats
    miscalibration: float
    """MCB: the mean squared error that the curve removes."""


def corp_curve(p: Floats, y: Floats, weights: Floats | None = None, *, level: float = 0.9, seed: int = 0) -> CorpCurve:
    """The curve of `p [N]` against `y [N]` of 0 and 1, and the pointwise band at `level` of a calibrated model."""
    values, place, fit = isotonic(p, y, weights)
    own = np.ones(len(p)) if weights is None else weights
    removed = ((p - y) ** 2 - (fit[place] - y) ** 2) @ own / own.sum()
    grid = np.linspace(values[0], values[-1], GRID)
    order = np.argsort(p, kind="stable")
    if len(order) > MOST_DRAWN:
        order = order[np.linspace(0, len(order) - 1, MOST_DRAWN).astype(np.int64)]
    few, few_weights = p[order], None if weights is None else weights[order]
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, STREAM))))
    drawn = np.empty((DRAWS, GRID))
    for draw in range(DRAWS):
        labels = (generator.random(len(few)) < few).astype(np.float64)
        at, _, curve = isotonic(few, labels, few_weights)
        drawn[draw] = np.interp(grid, at, curve)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    if len(few) < len(p):
        # An isotonic estimate at one point errs as N^(-1/3) (Brunk 1970).
        shrink = (len(few) / len(p)) ** (1 / 3)
        low, high = grid + (low - grid) * shrink, grid + (high - grid) * shrink
    at, levels = level_ends(values, fit)
    return CorpCurve(at, levels, grid, low, high, float(removed))


def level_ends(values: Floats, fit: Floats) -> tuple[Floats, Floats]:
    """The points of a step function that its picture needs: the first and the last of each level."""
    change = fit[1:] != fit[:-1]
    ends = np.append(True, change) | np.append(change, True)
    return values[ends], fit[ends]


def isotonic(p: Floats, y: Floats, weights: Floats | None) -> tuple[Floats, Ints, Floats]:
    """The different probabilities `[J]`, the place of each sample among them `[N]`, and the regression `[J]`."""
    from scipy.optimize import isotonic_regression

    values, place = np.unique(p, return_inverse=True)
    place = place.reshape(-1)
    own = np.ones(len(p)) if weights is None else weights
    size = np.bincount(place, own, len(values))
    hits = np.bincount(place, own * y, len(values))
    filled = size > 0
    fit = np.interp(values, values[filled], isotonic_regression(hits[filled] / size[filled], weights=size[filled]).x)
    return values, place, fit
