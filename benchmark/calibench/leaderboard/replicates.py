"""Bootstrap replicates of rows, from which ranks and intervals of changes are taken."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from calibench.errors import InputError
from calibench.lazy import np
from calibench.records.record import ResultRecord
from calibench.records.store import ChangedPredictionsError, read_predictions

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUANTILES = (0.025, 0.975)
PREFIX = "bootstrap."
"""Before a metric's name in the predictions file."""

ROUNDING = 1e-6
"""A figure may differ by so much from resamples that are all equal."""

THREADS = 4
"""At most so many threads read large files, whose checksums are computed at the same time."""

LARGE = 1 << 21
"""Bytes of a file from which on a second thread helps. Threads that read smaller ones wait for Python, and take longer than one."""

Values: TypeAlias = "NDArray[np.float64]"
"""A figure in every resample `[B]` of the test samples, averaged over a row's seeds; NaN if undefined."""

Replicates: TypeAlias = "dict[str, Values]"
"""Values by metric."""


Resample: TypeAlias = "Callable[[ResultRecord, Mapping[str, NDArray[Any]], Collection[str]], Replicates]"
"""Computes the replicates of metrics from the predictions of a run, where the file holds none."""


def read_replicates(
    runs: Mapping[str, Sequence[ResultRecord]],
    results: Path,
    metrics: Collection[str],
    resample: Resample | None = None,
) -> tuple[dict[str, Replicates], list[str], dict[str, str]]:
    """The replicates of `metrics` of each recipe in `runs` (recipe -> its records), and notes on those that are missing.

    `resample` makes those that a file with predictions alone lacks. Replicates of two recipes are paired only if both were drawn
    with one seed and as many resamples: otherwise there are none. The third result has the reason for each recipe of which a
    file of predictions is not the one that its record names.
    """
    streams = {
        repr(tuple(record.bootstrap.get(key) for key in ("seed", "resamples", "stream")))
        for records in runs.values()
        for record in records
    }
    paired = len(streams) <= 1
    if not paired:  # checksums are still compared
        metrics, resample = (), None
    replicates: dict[str, Replicates] = {}
    unreadable: dict[str, str] = {}
    changed: dict[str, str] = {}
    with _mapping(runs.values(), results) as mapped:
        rows = mapped(lambda records: _mean_over_seeds(records, results, metrics, resample), runs.values())
        for recipe, row in zip(runs, rows, strict=True):
            if isinstance(row, InputError):
                (changed if isinstance(row, ChangedPredictionsError) else unreadable)[recipe] = row.message
            else:
                replicates[recipe] = row
    if not paired:
        why = "the records were bootstrapped with different seeds, streams or numbers of resamples"
        return {}, [f"no ranks: {why}"], changed
    return replicates, _note_on_missing(unreadable, some=bool(replicates)), changed


@contextlib.contextmanager
def _mapping(runs: Iterable[Sequence[ResultRecord]], results: Path) -> Iterator[Callable[..., Iterable[Any]]]:
    """`map`; that of several threads if the files of predictions are large."""
    first = next((record.predictions for records in runs for record in records if record.predictions), None)
    file = None if first is None else results / first["file"]
    if file is None or not file.is_file() or file.stat().st_size < LARGE:
        yield map
        return
    with ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        yield pool.map


def _note_on_missing(unreadable: Mapping[str, str], *, some: bool) -> list[str]:
    """Which rows have no rank since their predictions cannot be read; none if all can."""
    if not unreadable:
        return []
    reason = next(iter(unreadable.values()))
    if not some:
        return [f"no ranks and no intervals of changes: the predictions of no row can be read ({reason})"]
    names = ", ".join(unreadable)
    return [f"no rank and no interval of the change for {names}: {reason}; the ranks are among the other rows"]


def _mean_over_seeds(
    records: Sequence[ResultRecord], results: Path, metrics: Collection[str], resample: Resample | None
) -> Replicates | InputError:
    """The replicates of those `metrics` that all records have; the error if the predictions of one cannot be read."""
    name_of = {metric: f"{PREFIX}{metric}" for metric in metrics}
    try:
        runs = [_of_run(record, results, name_of, resample) for record in records]
    except InputError as error:
        return error
    return {
        metric: np.add.reduce([arrays[name] for arrays in runs]) / len(runs)
        for metric, name in name_of.items()
        if all(name in arrays for arrays in runs)
    }


def _of_run(
    record: ResultRecord, results: Path, name_of: Mapping[str, str], resample: Resample | None
) -> Mapping[str, NDArray[Any]]:
    """The stored replicates of a run by their names in the file, and those that `resample` makes of the predictions."""
    stored = read_predictions(results, record, name_of.values())
    for metric, name in name_of.items():
        if name in stored and _is_far(record.metrics.get(metric), stored[name]):
            low, high = np.nanmin(stored[name]), np.nanmax(stored[name])
            figure = f"{metric} is {record.metrics[metric]:.6g}, and in its resamples {low:.6g} to {high:.6g}"
            raise ChangedPredictionsError(f"seed {record.seed}: {figure}", "calibench verify tells more")
    missing = {metric for metric, name in name_of.items() if name not in stored}
    if not missing or resample is None:
        return stored
    try:
        made = resample(record, read_predictions(results, record), missing)
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{record.run_id}: no replicates can be made of its predictions ({error})", "") from error
    return {**stored, **{name_of[metric]: values for metric, values in made.items()}}


def _is_far(figure: float | None, replicates: NDArray[Any]) -> bool:
    """True if a figure lies further from its resamples than they lie apart: then it is no figure of these predictions.

    Resamples of a calibration error lie above it, so that a figure may lie outside of them.
    """
    if figure is None or replicates.dtype.kind != "f" or not replicates.size:
        return False
    low, high = float(replicates.min()), float(replicates.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        defined = replicates[np.isfinite(replicates)]
        if not defined.size:
            return False
        low, high = float(defined.min()), float(defined.max())
    return not low - (high - low) - ROUNDING <= figure <= high + (high - low) + ROUNDING


def interval(replicates: Values | None) -> tuple[float, float] | None:
    """The 95 % percentile interval of the replicates that are defined; None if there is none."""
    if replicates is None or np.isnan(replicates).all():
        return None
    low, high = np.nanquantile(replicates, QUANTILES)
    return float(low), float(high)
