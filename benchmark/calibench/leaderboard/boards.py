"""Records -> boards: methods ranked within one protocol, with intervals and bands of methods that cannot be told apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibench.errors import InputError, did_you_mean
from calibench.records.record import ResultRecord
from calibench.records.store import read_predictions

RANK_BY = "ece15"
QUANTILES = (0.025, 0.975)


@dataclass(frozen=True)
class Cell:
    """A metric over a row's seeds: mean, SD (ddof 1, from two seeds on), 95 % interval of the mean over test samples."""

    mean: float
    sd: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Row:
    """One recipe: its rank (shared within a band), seeds, cells and mean noise floors by metric, and where it ran."""

    rank: int | None
    recipe: str
    seeds: tuple[int, ...]
    cells: dict[str, Cell]
    floors: dict[str, float]
    backends: tuple[str, ...]


@dataclass(frozen=True)
class Board:
    """Rows that share data, model and noise, ranked by `metric`; `notes` say what a reader must know."""

    dataset: str
    model: str
    noise: str | None
    n_test: int
    metric: str
    units: dict[str, dict[str, Any]]
    rows: tuple[Row, ...]
    versions: tuple[str, ...]
    notes: tuple[str, ...]


def boards(records: Iterable[ResultRecord], results: Path, metric: str = RANK_BY) -> list[Board]:
    """One board for each protocol among `records`, ranked by `metric`.

    The replicates of a row are the mean over its seeds, resample by resample, so an interval is about the test samples;
    the SD beside it is about the seeds. A band starts at its best row and takes in each next row whose paired 95 %
    interval of the difference from it covers 0. Records of data that do not have the metric, as `soft_nll` wants soft
    labels, make no board. Raises InputError for a metric that no record has, or that may not rank.
    """
    groups: dict[tuple[str, str, str], list[ResultRecord]] = {}
    for record in records:
        content = record.data.get("clean_fingerprint") or record.dataset  # two paths to equal data are one dataset
        key = (str(content), record.model, record.noise or "")
        groups.setdefault(key, []).append(record)
    held = sorted(groups.values(), key=lambda group: (group[0].dataset, group[0].model, group[0].noise or ""))
    having = [group for group in held if any(metric in record.units for record in group)]
    return [_board(group, results, metric) for group in having or held]


def _board(records: Sequence[ResultRecord], results: Path, metric: str) -> Board:
    units: dict[str, dict[str, Any]] = {}
    for record in records:
        units |= record.units
    _check_metric(metric, units)
    newest: dict[tuple[str, int], ResultRecord] = {}
    for record in sorted(records, key=lambda r: (metric in r.metrics, r.created)):  # not all are judged on a shift
        newest[record.recipe, record.seed] = record
    recipes = sorted({recipe for recipe, _ in newest})
    runs = {recipe: [newest[key] for key in sorted(newest) if key[0] == recipe] for recipe in recipes}
    replicates, notes = _replicates(runs, results, metric)
    rows = [_row(recipe, held, units, replicates.get(recipe, {})) for recipe, held in runs.items()]
    sign = -1.0 if units[metric]["better"] == "higher" else 1.0
    rows.sort(key=lambda row: (sign * row.cells[metric].mean if metric in row.cells else math.inf, row.recipe))
    ranked = _ranked(rows, metric, {recipe: found.get(metric) for recipe, found in replicates.items()})
    if len({row.seeds for row in rows}) > 1:
        notes.append("the rows do not all have the same seeds")
    notes += _unlike(newest.values())
    first = records[0]
    notes += dict.fromkeys(str(note) for record in records for note in record.data.get("notes", ()))
    used = sorted({f"calibench {r.versions.get('calibench')}, torch {r.versions.get('torch')}" for r in records})
    return Board(
        first.dataset, first.model, first.noise, first.n["test"], metric, units, ranked, tuple(used), tuple(notes)
    )


def _unlike(records: Iterable[ResultRecord]) -> list[str]:
    """A note for each shift or OOD set that is called the same and was made from other files or rows."""
    found: dict[str, set[str]] = {}
    for record in records:
        for row in record.ood:
            found.setdefault(f"OOD set {row.get('set')}", set()).add(str(row.get("fingerprint")))
        held = record.data.get("shift")
        for about in held if isinstance(held, list) else ():
            if isinstance(about, Mapping):
                found.setdefault(f"shift {about.get('shift')}", set()).add(str(about.get("files")))
    return [f"not all rows were judged on the same {name}" for name, digests in found.items() if len(digests) > 1]


def _check_metric(metric: str, units: dict[str, dict[str, Any]]) -> None:
    if metric not in units:
        raise InputError(f"no record has the metric {metric!r}", did_you_mean(metric, units))
    if not units[metric].get("rankable", True):
        hint = f"its figure hangs on a few samples; rank by {RANK_BY}, nll or another"
        raise InputError(f"{metric} is shown but never ranked by", hint)


def _replicates(
    runs: dict[str, list[ResultRecord]], results: Path, metric: str
) -> tuple[dict[str, dict[str, NDArray[np.float64]]], list[str]]:
    """By recipe and metric, the mean over seeds of the bootstrap replicates; with a note where they are missing or unpaired."""
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    notes = []
    streams = {(r.bootstrap.get("seed"), r.bootstrap.get("resamples")) for held in runs.values() for r in held}
    if len(streams) > 1:
        return {}, ["no bands: the records were bootstrapped with different seeds or numbers of resamples"]
    unread: dict[str, str] = {}
    for recipe, held in runs.items():
        try:
            arrays = [read_predictions(results, record) for record in held]
        except InputError as error:
            unread[recipe] = error.message
            continue
        names = set.intersection(*({n for n in a if n.startswith("bootstrap.")} for a in arrays))
        found[recipe] = {
            name.removeprefix("bootstrap."): np.mean([a[name] for a in arrays], axis=0) for name in sorted(names)
        }
    if unread:
        notes.append(f"no interval over seeds and no band for {', '.join(unread)}: {next(iter(unread.values()))}")
    return found, notes


def _row(
    recipe: str, held: Sequence[ResultRecord], units: dict[str, Any], replicates: dict[str, NDArray[np.float64]]
) -> Row:
    cells = {}
    for name in units:
        values = [v for record in held if (v := record.metrics.get(name)) is not None]
        if not values or len(values) < len(held):  # a figure undefined on one seed has no mean
            continue
        sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
        interval = _interval(replicates.get(name))
        stored = held[0].intervals.get(name) if len(held) == 1 else None  # of one run the record itself has it
        if interval is None and stored is not None:
            interval = (stored[0], stored[1])
        cells[name] = Cell(float(np.mean(values)), sd, interval)
    floors = {
        name: float(np.mean([record.noise_floor[name]["mean"] for record in held]))
        for name in units
        if all(name in record.noise_floor for record in held)
    }
    backends = tuple(sorted({record.backend for record in held}))
    return Row(None, recipe, tuple(record.seed for record in held), cells, floors, backends)


def _interval(replicates: NDArray[np.float64] | None) -> tuple[float, float] | None:
    if replicates is None or np.isnan(replicates).all():
        return None
    low, high = np.nanquantile(replicates, QUANTILES)
    return float(low), float(high)


def _ranked(rows: Sequence[Row], metric: str, replicates: dict[str, NDArray[np.float64] | None]) -> tuple[Row, ...]:
    ranked: list[Row] = []
    leader: NDArray[np.float64] | None = None
    rank = 0
    for place, row in enumerate(rows, 1):
        own = replicates.get(row.recipe)
        if metric not in row.cells:
            ranked.append(row)
            continue
        gap = None if leader is None or own is None else _interval(own - leader)
        if gap is None or not gap[0] <= 0 <= gap[1]:
            leader, rank = own, place
        ranked.append(Row(rank, row.recipe, row.seeds, row.cells, row.floors, row.backends))
    return tuple(ranked)
