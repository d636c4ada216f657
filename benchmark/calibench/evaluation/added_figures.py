"""AddedFigures: the rows and figures that shifts and OOD sets add to a record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from calibench.metrics.binning import Floats
from calibench.metrics.bootstrap import LEVEL, percentile_interval
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs


class JudgedRows(NamedTuple):
    """Outputs of a set of rows as they are judged, the rule's decisions, and what calibrators took from the rows, by stage."""

    outputs: Outputs
    decisions: Decisions | None
    adapted: Mapping[str, dict[str, Any]]


OutputsOf = Callable[[Mapping[str, NDArray[np.float32]]], dict[str, JudgedRows]]
"""The fitted recipe as a function of named sets of rows."""


@dataclass
class AddedFigures:
    """Rows for the record, and figures that join its metrics, each with unit, interval, noise floor and replicates."""

    shift: list[dict[str, Any]] = field(default_factory=list)
    ood: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, float | None] = field(default_factory=dict)
    intervals: dict[str, list[float] | None] = field(default_factory=dict)
    no_interval: dict[str, str] = field(default_factory=dict)
    noise_floor: dict[str, dict[str, float]] = field(default_factory=dict)
    units: dict[str, dict[str, Any]] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    level: float = LEVEL
    """The level of the intervals."""

    def add(
        self,
        name: str,
        value: float | None,
        unit: Mapping[str, Any],
        replicates: Floats | None,
        no_interval: str | None = None,
    ) -> None:
        """Add one figure to `metrics`, so that a board can rank by it; `no_interval` says why it has none."""
        self.metrics[name] = value
        self.units[name] = dict(unit)
        if replicates is not None:
            shown = value is not None and no_interval is None
            self.intervals[name] = percentile_interval(replicates, self.level) if shown else None
            if value is not None and no_interval is not None:
                self.no_interval[name] = no_interval
            self.arrays[f"bootstrap.{name}"] = replicates

    def __or__(self, other: AddedFigures) -> AddedFigures:
        """Both together; no name may stand in both."""
        parts = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self) if f.name != "level"}
        joined = {name: a + b if isinstance(a, list) else a | b for name, (a, b) in parts.items()}
        return AddedFigures(**joined, level=self.level)
