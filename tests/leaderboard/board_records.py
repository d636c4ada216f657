"""Records of invented runs, and boards of them. Every test file of boards and of their printed forms uses these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibench.leaderboard.boards import Board, boards
from calibench.records.record import ResultRecord
from calibench.records.store import write_run


def _unit(unit: str, better: str = "lower", *, rankable: bool = True, order_only: bool = False) -> dict[str, Any]:
    return {"unit": unit, "better": better, "rankable": rankable, "order_only": order_only}


UNITS: dict[str, dict[str, Any]] = {
    "accuracy": _unit("fraction", "higher"),
    "brier": _unit("squared probability"),
    "nll": _unit("nats"),
    "ece15": _unit("fraction", order_only=True),
    "ece_debiased15": _unit("fraction"),
    "mce15": _unit("fraction", rankable=False),
    "selective_risk": _unit("fraction"),
}
RESAMPLES, SAMPLES = 1000, 300


def losses(shift: float, seed: int, spread: float = 0.3) -> NDArray[np.float64]:
    """A loss a sample, mostly shared by all methods (hard samples are hard for all), so that pairing matters."""
    shared = np.random.default_rng(0).normal(0.5, 1.0, size=SAMPLES)
    return shared + shift + np.random.default_rng(seed).normal(0, spread, size=SAMPLES)


def losses_of_run(recipe: str, seed: int, shift: float, spread: float = 0.3) -> NDArray[np.float64]:
    """The losses of one seed of a recipe: the same in every test."""
    return losses(shift, 1000 * sum(map(ord, recipe)) + seed, spread)


def resamples() -> NDArray[np.int64]:
    """The rows of every resample, the same for all runs."""
    return np.random.default_rng(0).integers(SAMPLES, size=(RESAMPLES, SAMPLES))


def unstored_record(recipe: str, seed: int, metrics: Mapping[str, float | None], **changes: Any) -> ResultRecord:
    """A record that names no predictions."""
    fields: dict[str, Any] = {
        "run_id": f"toy-mlp-{recipe.replace('+', '-')}-s{seed}-{changes.get('created', '')}".replace(":", "").replace(
            "/", ""
        ),
        "recipe": recipe,
        "dataset": "toy",
        "model": "mlp",
        "seed": seed,
        "noise": None,
        "backend": "reference",
        "n": {"test": SAMPLES},
        "metrics": dict(metrics),
        "intervals": {},
        "noise_floor": {"ece15": {"mean": 0.01 * (seed + 1), "p95": 0.02}},
        "timings_s": {"total": 1.0},
        "versions": {"calibench": "0.1.0", "torch": "2.13"},
        "units": {name: UNITS[name] for name in metrics if name in UNITS},
        "bootstrap": {"seed": 0, "resamples": RESAMPLES},
        "data": {"clean_fingerprint": "f"},
        "created": "2025-01-01T00:00:00+00:00",
    }
    return ResultRecord(**(fields | changes))


def store(
    results: Path,
    recipe: str,
    seed: int,
    metrics: Mapping[str, float | None],
    replicates: Mapping[str, Any],
    **changes: Any,
) -> ResultRecord:
    """A record and its replicates, written under `results`."""
    for folder in ("records", "predictions"):
        (results / folder).mkdir(parents=True, exist_ok=True)
    arrays = {f"bootstrap.{name}": np.asarray(values) for name, values in replicates.items()}
    fields = {"intervals": {name: percentiles(np.asarray(values)) for name, values in replicates.items()}} | changes
    return write_run(results, unstored_record(recipe, seed, metrics, **fields), arrays)


def percentiles(values: NDArray[np.float64]) -> list[float] | None:
    """An interval for the record; None if nothing is defined."""
    return None if np.isnan(values).all() else [float(bound) for bound in np.nanquantile(values, [0.025, 0.975])]


def store_runs(results: Path, recipe: str, shifts: Sequence[float], spread: float = 0.3) -> list[ResultRecord]:
    """One record a seed, ranked by `nll`; seed s of the recipe has the losses of `shifts[s]`."""
    rows = resamples()
    records = []
    for seed, shift in enumerate(shifts):
        values = losses_of_run(recipe, seed, shift, spread)
        replicates = {"nll": values[rows].mean(axis=1)}
        records.append(store(results, recipe, seed, {"nll": float(values.mean())}, replicates))
    return records


def only_board(records: Sequence[ResultRecord], results: Path, metric: str = "nll", **options: Any) -> Board:
    """The board of records that share data, model and noise."""
    (board,) = boards(records, results, metric, **options)
    return board


def ranks(board: Board) -> dict[str, tuple[int, int] | None]:
    """The best and the worst rank of each recipe, in the order of the rows."""
    return {row.recipe: row.rank for row in board.rows}
