"""A row of a board: the figures of one recipe over its seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from calibench.lazy import np
from calibench.leaderboard.change import Change
from calibench.records.record import ResultRecord
from calibench.records.stage_end import stages_still_falling

if TYPE_CHECKING:
    from numpy.typing import NDArray

SeedFigures: TypeAlias = "Mapping[str, Sequence[float | None]]"
"""For each metric the figures of the seeds."""


@dataclass(frozen=True)
class Cell:
    """A metric over a row's seeds: mean, SD (ddof 1, from two seeds on), and the mean of the bounds of the seeds' intervals."""

    mean: float
    sd: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class FailedSeed:
    """A seed of which there is no record, since its run failed."""

    seed: int
    reason: str


@dataclass(frozen=True)
class Row:
    """One recipe: the best and the worst rank that it may have, seeds, cells and mean noise floors by metric, its backends.

    `levels` are those of the intervals, and `no_interval` has the reason for each metric without one, of the first such seed.
    `calibrated` holds the verdict of each seed in a word, as the record has it; a record of an earlier version has none.
    `change` is that of the board's metric against the base. `accuracy_falls` if accuracy is below the base's beyond the interval.
    `still_falling` names the trained stages whose lowest validation NLL came in the last 5 % of their epochs, on any seed.
    `run_ids` are those of the seeds.
    `seconds` are those of training and fitting, mean over seeds; `reliability` the signed gap of each bin, if it is asked for.
    `faults` are figures that cannot be, and predictions that are not those of the record. A row with a fault or with a failed seed
    has no rank: a mean over the seeds that did not fail would be too good.
    """

    rank: tuple[int, int] | None
    recipe: str
    seeds: tuple[int, ...]
    cells: dict[str, Cell]
    floors: dict[str, float]
    backends: tuple[str, ...]
    calibrated: tuple[str, ...] = ()
    levels: tuple[float, ...] = ()
    no_interval: dict[str, str] = field(default_factory=dict)
    change: Change | None = None
    accuracy_falls: bool = False
    still_falling: tuple[str, ...] = ()
    run_ids: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    failed: tuple[FailedSeed, ...] = ()
    seconds: float | None = None
    reliability: tuple[float | None, ...] = ()

    @property
    def may_rank(self) -> bool:
        """False for a row with a fault or a failed seed."""
        return not self.faults and not self.failed


def unranked_row(recipe: str, records: Sequence[ResultRecord], metrics: Iterable[str]) -> Row:
    """The row of a recipe whose runs are `records`, one a seed; without a rank.

    A metric that is undefined on one of the seeds has no mean, and so no cell. A noise floor needs one of every seed too. Without
    records, as where every seed failed, the row is empty.
    """
    if not records:
        return Row(None, recipe, (), {}, {}, ())
    names = list(metrics)
    cells = _cells(names, records)
    with_floor = [name for name in names if all(name in record.noise_floor for record in records)]
    floors = _means({name: [record.noise_floor[name]["mean"] for record in records] for name in with_floor})
    backends = tuple(sorted({record.backend for record in records}))
    seeds = tuple(record.seed for record in records)
    reasons: dict[str, str] = {}
    for record in records:
        reasons = {**record.no_interval, **reasons}
    levels = tuple(sorted({_level(record) for record in records}))
    calibrated = tuple(record.calibrated for record in records)
    return Row(
        *(None, recipe, seeds, cells, floors, backends, calibrated, levels, reasons),
        still_falling=_still_falling(records),
        run_ids=tuple(record.run_id for record in records),
    )


def _still_falling(records: Sequence[ResultRecord]) -> tuple[str, ...]:
    """The stages that at least one record marks, each once."""
    return tuple(dict.fromkeys(stage for record in records for stage in stages_still_falling(record)))


def _level(record: ResultRecord) -> float:
    """The level of a record's intervals; .95 if it does not say."""
    level = record.bootstrap.get("level")
    return float(level) if isinstance(level, int | float) else 0.95


def _cells(names: Iterable[str], records: Sequence[ResultRecord]) -> dict[str, Cell]:
    """The cell of each metric that is defined on all seeds."""
    figures = {name: [record.metrics.get(name) for record in records] for name in names}
    defined = {name: values for name, values in figures.items() if None not in values}
    intervals = _intervals(defined, records)
    means = _means(defined)
    spreads = _spreads(defined) if defined and len(records) > 1 else {}
    return {name: Cell(means[name], spreads.get(name), intervals.get(name)) for name in defined}


def _intervals(names: Iterable[str], records: Sequence[ResultRecord]) -> dict[str, tuple[float, float]]:
    """The mean of the bounds of the seeds' intervals: of metrics of which all seeds have one, and none if their levels differ.

    It is wide rather than narrow: seeds share their test samples, but not all of their errors.
    """
    if len({_level(record) for record in records}) > 1:
        return {}
    bounds = {name: [record.intervals.get(name) for record in records] for name in names}
    known = {name: [pair for pair in pairs if pair is not None] for name, pairs in bounds.items() if None not in pairs}
    low, high = (_means({name: [pair[side] for pair in pairs] for name, pairs in known.items()}) for side in (0, 1))
    return {name: (low[name], high[name]) for name in known}


def _means(figures: SeedFigures) -> dict[str, float]:
    """The mean of each metric, of all in one call: a call takes longer than the mean of a few numbers."""
    return _by_metric(_mean_of(_table(figures)), figures) if figures else {}


def _spreads(figures: SeedFigures) -> dict[str, float]:
    """The SD of each metric over seeds (ddof 1). numpy's own function takes three times as long for a few numbers."""
    table = _table(figures)
    squares = np.square(table - _mean_of(table)[:, None])
    return _by_metric(np.sqrt(np.add.reduce(squares, axis=1) / (table.shape[1] - 1)), figures)


def _mean_of(table: NDArray[np.float64]) -> NDArray[np.float64]:
    means: NDArray[np.float64] = np.add.reduce(table, axis=1) / table.shape[1]
    return means


def _table(figures: SeedFigures) -> NDArray[np.float64]:
    """A row a metric, a column a seed."""
    return np.array(list(figures.values()), dtype=np.float64)


def _by_metric(values: NDArray[np.float64], figures: SeedFigures) -> dict[str, float]:
    return dict(zip(figures, values.tolist(), strict=True))
