"""What a row cost: seconds of training and fitting, and the machine that they were measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from calibench.leaderboard.pareto import NOT_OF_THE_RECIPE, seconds_of
from calibench.records.record import ResultRecord


def mean_seconds(records: Sequence[ResultRecord]) -> float | None:
    """The mean over seeds of the seconds of training and fitting; None if a record does not say."""
    told = all(set(record.timings_s) - set(NOT_OF_THE_RECIPE) for record in records)
    return sum(map(seconds_of, records)) / len(records) if records and told else None


def machine_of(record: ResultRecord) -> str:
    """The machine of a run as a text; seconds of two machines cannot be compared."""
    known: Mapping[str, object] = record.machine
    parts = [f"{known.get('processor')}", f"{known.get('cores')} cores", f"{known.get('threads')} threads"]
    return ", ".join([*parts, f"{known.get('device')}"])
