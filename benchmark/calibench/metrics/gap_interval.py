"""Intervals of calibration errors by inverting a test: the values at which the observed figure would be no surprise.

A calibration error is a size of gaps, so noise makes it larger, and most of all near 0: a bootstrap adds more noise and misses
the population value. Here the gaps get a shape and a size. At each size, label noise and the sampling of inputs tell what figure
a sample would show. The bounds are the sizes at which the observed figure is at the edge of that. The shape is only guessed, so
every guess of `gap_shapes` is tried, and the widest bounds count. docs/evidence/intervals.md shows the coverage.
"""

from __future__ import annotations

from collections.abc import Callable

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.gap_figure import GapFigure
from calibench.metrics.gap_shapes import gap_shapes

LOW_SHARE, HIGH_SHARE = 0.5, 0.3
"""Of `1 - level`, the shares that lie below the lower and above the upper bound. Their sum is below 1, because shapes are guessed.
The lower one is .5, so that the interval of a calibrated model starts at 0 in 97.5 % of the cases."""

DRAWS_BEYOND = 8
"""So many draws lie beyond the nearer bound."""

HALVINGS = 12
STREAM = 5
"""Separates the random stream from those of the bootstrap and of the noise floor."""


def gap_interval(figure: GapFigure, level: float, seed: int) -> list[float]:
    """The bounds `[low, high]` of the population value of `figure`, by inverting a test at `level`."""
    cells = figure.cells
    low_tail, high_tail = LOW_SHARE * (1 - level), HIGH_SHARE * (1 - level)
    draws = int(np.ceil(DRAWS_BEYOND / high_tail))
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, STREAM))))
    guesses = gap_shapes(cells.sums)
    shapes = [shape if shape.any() else np.ones_like(shape) for shape in guesses]  # all of size 0 are the same
    observed = float(figure.value(cells.observed[None])[0])
    noise = figure.features(cells.noise(guesses[-1], draws, generator), observed)
    bounds = []
    for shape in shapes:
        sums = cells.of_shape(shape)
        size = float(figure.value(sums[None])[0])
        moved = figure.features(sums[None], observed)
        wobble = _over_samples(figure, shape, moved, observed, draws, generator)

        def quantile(scale: float, tail: float, moved: Floats = moved, wobble: Floats = wobble) -> float:
            return float(np.quantile(figure.size_of(scale * moved + noise) + scale * wobble, tail))

        # The figure of a scaled shape is the scaled figure, but for figures that choose how they smooth.
        low = _first_scale(lambda scale: quantile(scale, 1 - low_tail), observed, observed / size)
        high = _first_scale(lambda scale: quantile(scale, high_tail), observed, observed / size)
        bounds.append([float(figure.value(scale * sums[None])[0]) if scale else 0.0 for scale in (low, high)])
    lows, highs = zip(*bounds, strict=True)
    return [min(lows), max(highs)]


def _over_samples(
    figure: GapFigure, shape: Floats, moved: Floats, observed: float, draws: int, generator: np.random.Generator
) -> Floats:
    """How far the figure of a shape, without label noise, lies from its value in other samples, `[D]`."""
    recounted = figure.cells.recounted(shape, draws, generator)
    if recounted is None:
        return figure.cells.spread(shape) * generator.standard_normal(draws)
    wobble: Floats = figure.size_of(figure.features(recounted, observed)) - figure.size_of(moved)
    return wobble


def _first_scale(figure_at: Callable[[float], float], observed: float, guess: float) -> float:
    """The scale at which `figure_at`, which grows with it, reaches `observed`; 0 if it is not below it there."""
    if figure_at(0.0) >= observed:
        return 0.0
    low, high = 0.0, max(guess, 1e-6)
    while figure_at(high) < observed:
        low, high = high, 2 * high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if figure_at(middle) < observed else (low, middle)
    return (low + high) / 2
