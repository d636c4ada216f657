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
from calibench.metrics.gap_shapes import CellSums
from calibench.metrics.sample_weight import nonzero

LOW_SHARE, HIGH_SHARE = 0.5, 0.3
"""Of `1 - level`, the shares that lie below the lower and above the upper bound. Their sum is below 1, because shapes are guessed.
The lower one is .5, so that the interval of a calibrated model starts at 0 in 97.5 % of the cases."""

DRAWS_BEYOND = 8
"""So many draws lie beyond the nearer bound."""

MOST_STEPS = 20
TOLERANCE = 2.0**-12
"""Of the scale; reached in five or six steps."""

STREAM = 5
"""Separates the random stream from those of the bootstrap and of the noise floor."""


def gap_interval(figure: GapFigure, level: float, seed: int, observed: float | None = None) -> list[float]:
    """The bounds `[low, high]` of the population value of `figure`, by inverting a test at `level`.

    They are those of the figure of these samples, or of the figure `observed` if it had been seen in their place.
    """
    cells = figure.cells
    low_tail, high_tail = LOW_SHARE * (1 - level), HIGH_SHARE * (1 - level)
    draws = int(np.ceil(DRAWS_BEYOND / high_tail))
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, STREAM))))
    # All shapes of size 0 are the same.
    shapes = [shape for shape in cells.shapes if shape.any()] or [np.ones_like(cells.shapes[-1])]
    observed = figure.value(cells.observed) if observed is None else observed
    sizes, wobble = (make(draws, observed, generator) for make in (figure.noisy_sizes, figure.wobble))
    at_zero = sizes(np.zeros_like(cells.observed))
    bounds = []
    for shape in shapes:
        path = _Path(cells.sums, shape)

        def quantile(scale: float, tail: float, path: _Path = path) -> float:
            gaps = path.clipped(scale)
            return _quantile(sizes(cells.of_shape(gaps)) + wobble(gaps), tail)

        low = _first_scale(
            lambda scale: quantile(scale, 1 - low_tail), _quantile(at_zero, 1 - low_tail), observed, path.largest
        )
        high = _first_scale(
            lambda scale: quantile(scale, high_tail), _quantile(at_zero, high_tail), observed, path.largest
        )
        bounds.append(
            [min(1.0, figure.value(cells.of_shape(path.clipped(scale)))) if scale else 0.0 for scale in (low, high)]
        )
    lows, highs = zip(*bounds, strict=True)
    return [min(lows), max(highs)]


class _Path:
    """A shape at every scale. A gap ends where no probability is left: p - gap stays within [0, 1]."""

    def __init__(self, sums: CellSums, shape: Floats) -> None:
        self.shape = shape
        mean_p = sums.p / nonzero(sums.count)
        self.least, self.most = mean_p - 1, mean_p
        room = np.where(shape > 0, self.most, -self.least) / np.where(shape == 0, 1, np.abs(shape))
        self.largest = max(1.0, float(room[shape != 0].max()))
        """From this scale on nothing changes."""

    def clipped(self, scale: float) -> Floats:
        """The gap of a sample in each bin, `[B]`."""
        return np.clip(scale * self.shape, self.least, self.most)


def _quantile(values: Floats, share: float) -> float:
    """The quantile of a few numbers, linear between order statistics; numpy's own takes ten times as long."""
    place = share * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    ordered = np.partition(values, (below, above))
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


def _first_scale(figure_at: Callable[[float], float], at_zero: float, observed: float, largest: float) -> float:
    """The scale at which `figure_at`, which grows with it, reaches `observed`; `largest` if it does not, 0 if it starts there.

    Regula falsi by the Illinois rule: a bound that stays twice counts half.
    """
    if at_zero >= observed:
        return 0.0
    low, below = 0.0, at_zero - observed
    high = 1.0
    above = figure_at(high) - observed
    while above < 0 and high < largest:
        low, below, high = high, above, min(2 * high, largest)
        above = figure_at(high) - observed
    if above < 0:
        return high
    last = 0.0
    for _ in range(MOST_STEPS):
        scale = (low * above - high * below) / (above - below) if above > below else high
        if abs(scale - last) <= TOLERANCE * high:
            break
        last, difference = scale, figure_at(scale) - observed
        if difference < 0:
            low, below, above = scale, difference, above / 2
        else:
            high, above, below = scale, difference, below / 2
    return scale
