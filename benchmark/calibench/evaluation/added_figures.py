"""AddedFigures: what judging beyond the test split adds to a record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibench.metrics.binning import Floats
from calibench.metrics.bootstrap import percentile_interval
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs

Said = Callable[[Mapping[str, NDArray[np.float32]]], dict[str, tuple[Outputs, Decisions | None]]]
"""What the fitted pipeline says of rows, calibrated and stored, with its decisions; by the names that the rows come under."""


@dataclass
class AddedFigures:
    """Rows for the record, and the figures that join its metrics, each with unit, interval, noise floor and replicates."""

    shift: list[dict[str, Any]] = field(default_factory=list)
    ood: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, float | None] = field(default_factory=dict)
    intervals: dict[str, list[float] | None] = field(default_factory=dict)
    noise_floor: dict[str, dict[str, float]] = field(default_factory=dict)
    units: dict[str, dict[str, Any]] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    def add(self, name: str, value: float | None, unit: Mapping[str, Any], replicates: Floats | None) -> None:
        """One figure under its name in `metrics`, so that a board can rank by it."""
        self.metrics[name] = value
        self.units[name] = dict(unit)
        if replicates is not None:
            self.intervals[name] = percentile_interval(replicates) if value is not None else None
            self.arrays[f"bootstrap.{name}"] = replicates

    def __or__(self, other: AddedFigures) -> AddedFigures:
        """Both together; their names differ."""
        parts = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self)}
        return AddedFigures(**{name: a + b if isinstance(a, list) else a | b for name, (a, b) in parts.items()})
