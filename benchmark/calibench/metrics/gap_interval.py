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
from calibench.metrics.gap_cells import ClassCells, TopCells
from calibench.metrics.gap_figure import GapFigure

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
    # All shapes of size 0 are the same.
    shapes = [shape for shape in cells.shapes if shape.any()] or [np.ones_like(cells.shapes[-1])]
    observed = float(figure.value(cells.observed[None])[0])
    noise = figure.features(cells.noise(draws, generator), observed)
    bounds = []
    for shape in shapes:
        path = _Path(figure, shape, observed, draws, generator)

        def quantile(scale: float, tail: float, path: _Path = path) -> float:
            return float(np.quantile(figure.size_of(path.features(scale) + noise) + path.wobble(scale), tail))

        low = _first_scale(lambda scale: quantile(scale, 1 - low_tail), observed, path.largest)
        high = _first_scale(lambda scale: quantile(scale, high_tail), observed, path.largest)
        bounds.append([path.value(scale) if scale else 0.0 for scale in (low, high)])
    lows, highs = zip(*bounds, strict=True)
    return [min(lows), max(highs)]


class _Path:
    """A shape at every scale. A gap ends where no probability is left: p - gap stays within [0, 1]."""

    def __init__(
        self, figure: GapFigure, shape: Floats, observed: float, draws: int, generator: np.random.Generator
    ) -> None:
        self.figure, self.shape, self.observed = figure, shape, observed
        sums = figure.cells.sums
        mean_p = sums.p / np.maximum(sums.count, 1)
        self.least, self.most = mean_p - 1, mean_p
        room = np.where(shape > 0, self.most, -self.least) / np.where(shape == 0, 1, np.abs(shape))
        self.largest = max(1.0, float(room[shape != 0].max()))
        """From this scale on nothing changes."""
        self.recount = figure.cells.recount(draws, generator) if isinstance(figure.cells, TopCells) else None
        self.normal = generator.standard_normal(draws)

    def clipped(self, scale: float) -> Floats:
        """The gap of a sample in each bin, `[B]`."""
        return np.clip(scale * self.shape, self.least, self.most)

    def features(self, scale: float) -> Floats:
        """The features of the gap sums, `[1, F]`."""
        return self.figure.features(self.figure.cells.of_shape(self.clipped(scale))[None], self.observed)

    def value(self, scale: float) -> float:
        """The figure, at most 1."""
        return min(1.0, float(self.figure.value(self.figure.cells.of_shape(self.clipped(scale))[None])[0]))

    def wobble(self, scale: float) -> Floats:
        """How far the figure, without label noise, lies from its value in other samples, `[D]`.

        Smooth figures take long: theirs moves as much, in proportion, as the sum of the sizes of all gaps.
        """
        shape = self.clipped(scale)
        if self.recount is None:
            assert isinstance(self.figure.cells, ClassCells)
            return self.figure.cells.spread(shape) * self.normal
        sums, size = self.figure.cells.of_shape(shape), self.figure.size_of(self.features(scale))
        if self.figure.size is None:
            recounted: Floats = self.figure.value(sums * self.recount) - size
            return recounted
        gaps = np.abs(sums)
        proportion: Floats = (self.recount * gaps).sum(axis=1) / max(float(gaps.sum()), 1e-300) - 1
        moved: Floats = proportion * size
        return moved if gaps.any() else np.zeros_like(moved)


def _first_scale(figure_at: Callable[[float], float], observed: float, largest: float) -> float:
    """The scale at which `figure_at`, which grows with it, reaches `observed`; `largest` if it does not, 0 if it starts there."""
    if figure_at(0.0) >= observed:
        return 0.0
    low, high = 0.0, 1.0
    while high < largest and figure_at(high) < observed:
        low, high = high, min(2 * high, largest)
    if figure_at(high) < observed:
        return high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if figure_at(middle) < observed else (low, middle)
    return (low + high) / 2
