"""Records as flat rows, one value a column."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from calibench.leaderboard.cost import mean_seconds
from calibench.leaderboard.faults import faults_of
from calibench.records.record import ResultRecord

Row = dict[str, Any]


def row_of(record: ResultRecord) -> Row:
    """What a run was, its verdict, its seconds as on boards, then each metric with its ends as `NAME_low`, `NAME_high`.

    `faults` names figures that cannot be.
    """
    row: Row = {
        "run_id": record.run_id,
        "recipe": record.recipe,
        "dataset": record.dataset,
        "model": record.model,
        "noise": record.noise,
        "seed": record.seed,
        "n_test": record.n["test"],
        "suite": (record.preset or {}).get("name") if (record.preset or {}).get("suite") else None,
        "calibrated": record.calibrated,
        "seconds": mean_seconds([record]),
        "created": record.created,
        "faults": "; ".join(faults_of(record)) or None,
    }
    for name, value in record.metrics.items():
        bounds = record.intervals.get(name) or (None, None)
        row |= {name: value, f"{name}_low": bounds[0], f"{name}_high": bounds[1]}
    return row


def columns_of(rows: Iterable[Row]) -> list[str]:
    """The columns of all rows, in the order in which they first appear."""
    return list(dict.fromkeys(name for row in rows for name in row))
