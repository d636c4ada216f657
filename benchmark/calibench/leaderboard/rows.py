"""A row of a board: the figures of one recipe over its seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from calibench.lazy import np
from calibench.leaderboard.change import Change
from calibench.records.record import ResultRecord


@dataclass(frozen=True)
class Cell:
    """A metric over a row's seeds: mean, SD (ddof 1, from two seeds on), and the mean of the bounds of the seeds' intervals."""

    mean: float
    sd: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Row:
    """One recipe: the best and the worst rank that it may have, seeds, cells and mean noise floors by metric, its backends.

    `levels` are those of the intervals, and `no_interval` has the reason for each metric without one, of the first such seed.
    `calibrated` holds the verdict of each seed in a word, as the record has it; a record of an earlier version has none.
    `change` is that of the board's metric against the base. `accuracy_falls` if accuracy is below the base's beyond the interval.
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


def unranked_row(recipe: str, records: Sequence[ResultRecord], metrics: Iterable[str]) -> Row:
    """The row of a recipe whose runs are `records`, one a seed; without a rank.

    A metric that is undefined on one of the seeds has no mean, and so no cell. A noise floor needs one of every seed too.
    """
    names = list(metrics)
    cells = {name: cell for name in names if (cell := _cell(name, records)) is not None}
    floors = {
        name: float(np.mean([record.noise_floor[name]["mean"] for record in records]))
        for name in names
        if all(name in record.noise_floor for record in records)
    }
    backends = tuple(sorted({record.backend for record in records}))
    seeds = tuple(record.seed for record in records)
    reasons: dict[str, str] = {}
    for record in records:
        reasons = {**record.no_interval, **reasons}
    levels = tuple(sorted({_level(record) for record in records}))
    calibrated = tuple(record.calibrated for record in records)
    return Row(None, recipe, seeds, cells, floors, backends, calibrated, levels, reasons)


def _level(record: ResultRecord) -> float:
    """The level of a record's intervals; .95 if it does not say."""
    level = record.bootstrap.get("level")
    return float(level) if isinstance(level, int | float) else 0.95


def _cell(name: str, records: Sequence[ResultRecord]) -> Cell | None:
    values = [value for record in records if (value := record.metrics.get(name)) is not None]
    if len(values) < len(records):
        return None
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Cell(float(np.mean(values)), sd, _interval(name, records))


def _interval(name: str, records: Sequence[ResultRecord]) -> tuple[float, float] | None:
    """The mean of the bounds of the seeds' intervals; None if one of the seeds has none, or if their levels differ.

    It is wide rather than narrow: seeds share their test samples, but not all of their errors.
    """
    if len({_level(record) for record in records}) > 1:
        return None
    known = [bounds for record in records if (bounds := record.intervals.get(name)) is not None]
    if len(known) < len(records):
        return None
    return float(np.mean([low for low, _ in known])), float(np.mean([high for _, high in known]))
