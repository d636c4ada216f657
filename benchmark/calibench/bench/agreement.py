"""Agreement of contenders: the speed of a different answer is not compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from calibench.bench.case import Figures


@dataclass(frozen=True)
class Difference:
    """Distance of a contender's figure from ours."""

    figure: str
    difference: float
    """The largest absolute difference of an entry; for integers and booleans the share of entries that differ."""
    tolerance: float

    @property
    def accepted(self) -> bool:
        """True within the tolerance; NaN never is."""
        return self.difference <= self.tolerance


def compare(theirs: Figures, ours: Figures, tolerance: Mapping[str, float]) -> list[Difference]:
    """Differences of the contender's figures that have a tolerance; infinite for a figure that ours lacks."""
    differences = []
    for name, limit in tolerance.items():
        if name in theirs:
            distance = _distance(theirs[name], ours[name]) if name in ours else math.inf
            differences.append(Difference(name, distance, limit))
    return differences


def scalars(figures: Figures) -> dict[str, float | None]:
    """The figures that are single numbers, for the JSON document; None if a number is not finite."""
    numbers = {name: float(value) for name, value in figures.items() if not _is_array(value)}
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}


def _is_array(value: float | torch.Tensor) -> bool:
    return isinstance(value, torch.Tensor) and value.dim() > 0


def _distance(theirs: float | torch.Tensor, ours: float | torch.Tensor) -> float:
    if not isinstance(theirs, torch.Tensor) or not isinstance(ours, torch.Tensor):
        return abs(float(theirs) - float(ours))
    if theirs.shape != ours.shape:
        return math.inf
    if not theirs.numel():
        return 0.0
    if theirs.dtype.is_floating_point:
        return float((theirs.double() - ours.double()).abs().max())
    return float((theirs != ours).count_nonzero()) / theirs.numel()
