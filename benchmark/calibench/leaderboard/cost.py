"""What a row cost: seconds of training and fitting, and the machine that they were measured on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from calibench.records.record import ResultRecord

_TRAINED = re.compile(r"stage\d+|posthoc")
"""The entries of `timings_s` that count: not reading data, and not the judgement, which costs every row the same."""


def seconds_of(records: Sequence[ResultRecord]) -> float | None:
    """The mean over seeds of the seconds of training and fitting; a stage from the cache has those of its training.

    None if a record does not say.
    """
    of_seeds = [
        [seconds for name, seconds in record.timings_s.items() if _TRAINED.fullmatch(name)] for record in records
    ]
    return sum(map(sum, of_seeds)) / len(of_seeds) if of_seeds and all(of_seeds) else None


def machine_of(record: ResultRecord) -> str:
    """The machine of a run as a text; seconds of two machines cannot be compared."""
    known: Mapping[str, object] = record.machine
    parts = [f"{known.get('processor')}", f"{known.get('cores')} cores", f"{known.get('threads')} threads"]
    return ", ".join([*parts, f"{known.get('device')}"])
