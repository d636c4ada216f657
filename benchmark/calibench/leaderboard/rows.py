"""A row of a board: the figures of one recipe over its seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from calibench.lazy import np
from calibench.leaderboard.change import Change
from calibench.leaderboard.replicates import Replicates, interval
from calibench.records.record import ResultRecord


@dataclass(frozen=True)
class Cell:
    """A metric over a row's seeds: mean, SD (ddof 1, from two seeds on), 95 % interval of the mean over test samples."""

    mean: float
    sd: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Row:
    """One recipe: the best and the worst rank that it may have, seeds, cells and mean noise floors by metric, its backends.

    `change` is that of the board's metric against the base. `accuracy_falls` if accuracy is below the base's beyond the interval.
    """

    rank: tuple[int, int] | None
    recipe: str
    seeds: tuple[int, ...]
    cells: dict[str, Cell]
    floors: dict[str, float]
    backends: tuple[str, ...]
    change: Change | None = None
    accuracy_falls: bool = False


def unranked_row(recipe: str, records: Sequence[ResultRecord], metrics: Iterable[str], replicates: Replicates) -> Row:
    """The row of a recipe whose runs are `records`, one a seed; without a rank.

    A metric that is undefined on one of the seeds has no mean, and so no cell. A noise floor needs one of every seed too.
    """
    names = list(metrics)
    cells = {name: cell for name in names if (cell := _cell(name, records, replicates)) is not None}
    floors = {
        name: float(np.mean([record.noise_floor[name]["mean"] for record in records]))
        for name in names
        if all(name in record.noise_floor for record in records)
    }
    backends = tuple(sorted({record.backend for record in records}))
    return Row(None, recipe, tuple(record.seed for record in records), cells, floors, backends)


def _cell(name: str, records: Sequence[ResultRecord], replicates: Replicates) -> Cell | None:
    values = [value for record in records if (value := record.metrics.get(name)) is not None]
    if len(values) < len(records):
        return None
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Cell(float(np.mean(values)), sd, _interval(name, records, replicates))


def _interval(name: str, records: Sequence[ResultRecord], replicates: Replicates) -> tuple[float, float] | None:
    """The interval of the mean over seeds; None if one of the seeds has none.

    Percentiles of the replicates, which are means over seeds. A figure whose intervals do not come from replicates, as those of
    calibration errors, gets the means of the seeds' bounds, and so does a row without predictions. These are wider: seeds share
    their test samples, but not all of their errors.
    """
    if any(record.intervals.get(name, ()) is None for record in records):
        return None
    known = [pair for record in records if (pair := record.intervals.get(name)) is not None]
    inverted = any(record.bootstrap.get("methods", {}).get(name) == "inversion" for record in records)
    stored = inverted or len(records) == 1
    resampled = None if stored and known else interval(replicates.get(name))
    if resampled is not None or len(known) < len(records):
        return resampled
    return float(np.mean([low for low, _ in known])), float(np.mean([high for _, high in known]))
