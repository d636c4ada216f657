"""GapFigure: a calibration error as a figure of the gaps of cells, so that an interval can be found by inverting a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from calibench.metrics.binning import Floats
from calibench.metrics.gap_cells import Cells


def _as_they_are(sums: Floats, threshold: float) -> Floats:
    return sums


@dataclass(frozen=True)
class GapFigure:
    """A figure of the gap sums of C cells, the sums of p - y, such as the ECE of bins.

    `value` maps gap sums `[D, C]` to figures `[D]`. Some figures choose how they smooth the gaps, so `value` takes long. For
    them `features` maps gap sums, linearly, to `[D, F]`, and `size` maps those to numbers `[D]` that are above `threshold`
    where the figure is. For all others the features are the gap sums, and `size` is `value`.
    """

    cells: Cells
    value: Callable[[Floats], Floats]
    features: Callable[[Floats, float], Floats] = _as_they_are
    size: Callable[[Floats], Floats] | None = None

    def size_of(self, features: Floats) -> Floats:
        """`size` of features."""
        return self.value(features) if self.size is None else self.size(features)
