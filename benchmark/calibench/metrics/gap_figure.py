"""GapFigure: a calibration error as a figure of the gaps of cells, so that an interval can be found by inverting a test."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.metrics.gap_cells import Cells, ClassCells, TopCells

Sizes: TypeAlias = Callable[[Floats], Floats]
"""The size of the figure in each draw, `[D]`, of gaps `[C]` under label noise."""


class GapFigure(ABC):
    """A figure of the gap sums of C cells, the sums of p - y, such as the ECE of bins.

    Some figures choose how they smooth the gaps, so `value` takes long. Such a figure may have another `size`, which is above a
    threshold where the figure is.
    """

    cells: Cells

    @abstractmethod
    def value(self, sums: Floats) -> float:
        """The figure of gap sums `[C]`."""

    @abstractmethod
    def noisy_sizes(self, draws: int, observed: float, generator: np.random.Generator) -> Sizes:
        """The sizes of gaps under the label noise of the best guess, for D draws; `observed` is the threshold."""

    @abstractmethod
    def wobble(self, draws: int, observed: float, generator: np.random.Generator) -> Sizes:
        """How far the size of gaps, without label noise, lies from its value in other samples, for D draws.

        Its argument is the shape of the gaps, `[B]`.
        """


class TopFigure(GapFigure):
    """A figure of cells of the top label.

    `figure` maps gap sums `[D, C]` to figures `[D]`. If it takes long, `features` maps gap sums, linearly, to `[D, F]` at a
    threshold, and `size` maps those to numbers `[D]`.
    """

    cells: TopCells

    def __init__(
        self,
        cells: TopCells,
        figure: Callable[[Floats], Floats],
        features: Callable[[Floats, float], Floats] | None = None,
        size: Callable[[Floats], Floats] | None = None,
    ) -> None:
        self.cells, self.figure, self.features, self.size = cells, figure, features, size

    def value(self, sums: Floats) -> float:
        """The figure of gap sums `[C]`."""
        return float(self.figure(sums[None])[0])

    def _features(self, sums: Floats, observed: float) -> Floats:
        return sums if self.features is None else self.features(sums, observed)

    def _size(self, features: Floats) -> Floats:
        return self.figure(features) if self.size is None else self.size(features)

    def noisy_sizes(self, draws: int, observed: float, generator: np.random.Generator) -> Sizes:
        """Features of noise, to which those of gaps are added."""
        noise = self._features(self.cells.noise(draws, generator), observed)
        return lambda sums: self._size(self._features(sums[None], observed) + noise)

    def wobble(self, draws: int, observed: float, generator: np.random.Generator) -> Sizes:
        """Other samples have other counts. Figures that take long move as much, in proportion, as the sum of |gaps|."""
        recount = self.cells.recount(draws, generator)

        def moved(shape: Floats) -> Floats:
            sums = self.cells.of_shape(shape)
            size = self._size(self._features(sums[None], observed))
            if self.size is None:
                recounted: Floats = self.figure(sums * recount) - size
                return recounted
            gaps = np.abs(sums)
            proportion: Floats = (recount @ gaps) / max(float(gaps.sum()), 1e-300) - 1
            return proportion * size if gaps.any() else np.zeros_like(proportion)

        return moved


class ClasswiseFigure(GapFigure):
    """`sum over cells of |gap sum| / total`, for the cells of every class."""

    cells: ClassCells

    def __init__(self, cells: ClassCells, total: float) -> None:
        self.cells, self.total = cells, total

    def value(self, sums: Floats) -> float:
        """The figure of gap sums `[C]`."""
        return float(np.abs(sums).sum() / self.total)

    def noisy_sizes(self, draws: int, observed: float, generator: np.random.Generator) -> Sizes:
        """With labels that are drawn anew."""
        noise = self.cells.noise(draws, generator)
        return lambda sums: noise.sizes(sums) / self.total

    def wobble(self, draws: int, observed: float, generator: np.random.Generator) -> Sizes:
        """A normal distribution with the spread over samples."""
        normal = generator.standard_normal(draws)
        return lambda shape: self.cells.spread(shape) * normal
