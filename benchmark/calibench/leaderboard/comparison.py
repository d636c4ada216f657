"""Comparison: two recipes, two runs or two folders of results, figure by figure, and the parts that a difference consists of."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from calibench.errors import InputError, did_you_mean
from calibench.leaderboard.units import Units
from calibench.records.figures_table import frame, html_table

Kind = Literal["recipes", "runs", "folders"]
"""What A and B are."""

Word = Literal["better", "worse", "level", "equal"]
"""B against A. `level`: the difference is not told apart from 0 at the joint level. `equal`: it is 0 in every resample."""

PartKind = Literal["class", "confidence", "answers"]
"""By what samples are divided."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class ComparedFigure:
    """One metric of one row: both figures, the means over the row's seeds, and B less A with its own 95 % interval.

    `word` is None where nothing is tested: without replicates on both sides, and for metrics that give an order only.
    """

    a: float
    b: float
    change: float
    interval: Interval | None = None
    word: Word | None = None


@dataclass(frozen=True)
class ComparedRow:
    """The runs of both sides on one dataset, model and noise, with the seeds that both have."""

    dataset: str
    model: str
    noise: str | None
    recipe: str | None
    """The recipe of both sides; None where A and B are recipes or runs."""
    seeds: tuple[int, ...]
    n_test: int
    figures: dict[str, ComparedFigure] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """True if every figure is equal."""
        return all(found.word == "equal" for found in self.figures.values())


@dataclass(frozen=True)
class OverDatasets:
    """The mean change of a metric over rows: `here` is its interval on these data sets, `among` one over such data sets.

    `words` counts the rows by their word.
    """

    metric: str
    rows: int
    datasets: int
    change: float
    here: Interval | None
    among: Interval | None
    word: Word | None
    words: dict[str, int]


@dataclass(frozen=True)
class Part:
    """The samples of one class, confidence bin or pair of answers: both means of the metric, and the part of the change.

    The parts of one kind add up to the change. `gap_a` and `gap_b` are mean confidence less accuracy on these samples.
    """

    kind: PartKind
    name: str
    n: float
    """The number of samples, a mean over seeds."""
    a: float
    b: float
    gap_a: float
    gap_b: float
    change: float
    interval: Interval | None
    word: Word | None


@dataclass(frozen=True)
class Parts:
    """Where the change of one metric of one row comes from."""

    row: ComparedRow
    metric: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class ChangedRun:
    """A run of both folders whose configuration, data or protocol differs, and what differs, as `ce.lr: 0.001 -> 0.01`."""

    run: str
    differs: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Everything that `calibench.compare` found; `level` and `tolerance` are those of the words.

    `only_a` and `only_b` name the runs without a partner, `notes` are facts that a reader must know.
    """

    kind: Kind
    a: str
    b: str
    metrics: tuple[str, ...]
    units: Units
    level: float
    tolerance: float
    rows: tuple[ComparedRow, ...]
    over_datasets: tuple[OverDatasets, ...] = ()
    parts: tuple[Parts, ...] = ()
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    changed: tuple[ChangedRun, ...] = ()
    notes: tuple[str, ...] = ()

    def sorted_by(self, metric: str) -> Comparison:
        """The rows of the largest changes of `metric` first, rows without it last. InputError if it is not compared."""
        if metric not in self.metrics:
            raise InputError(f"{metric!r} is not compared", did_you_mean(metric, self.metrics))

        def key(row: ComparedRow) -> float:
            return -abs(row.figures[metric].change) if metric in row.figures else math.inf

        return dataclasses.replace(self, rows=tuple(sorted(self.rows, key=key)))

    def to_pandas(self) -> Any:
        """The figures as a pandas DataFrame: a row a metric of each row of the comparison. InputError without pandas."""
        return frame(self._figures())

    def _repr_html_(self) -> str:
        """Both sides and all figures, as a notebook shows a comparison."""
        note = f"change: B less A; words at a joint level of {self.level:.0%}; figures as fractions and nats"
        return html_table(f"A: {self.a}, B: {self.b}", [note, *self.notes], self._figures())

    def _figures(self) -> list[dict[str, Any]]:
        """A flat row for each figure."""
        return [
            {
                "dataset": row.dataset,
                "model": row.model,
                "noise": row.noise,
                "recipe": row.recipe,
                "seeds": len(row.seeds),
                "metric": metric,
                "a": found.a,
                "b": found.b,
                "change": found.change,
                "low": None if found.interval is None else found.interval[0],
                "high": None if found.interval is None else found.interval[1],
                "word": found.word,
            }
            for row in self.rows
            for metric, found in row.figures.items()
        ]
