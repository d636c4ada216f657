"""How long the missing runs of a sweep will take, by the timings of stored ones."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from statistics import fmean

from calibench.records.record import ResultRecord
from calibench.runs.sweeps.cells import Cell

TOTAL = "total"
"""The entry of `timings_s` with the seconds of a whole run; a stage from the cache took none of them."""


def estimated_seconds(missing: Sequence[Cell], records: Iterable[ResultRecord]) -> float | None:
    """The seconds that the missing runs take one after another; None if no stored run has timings.

    A run takes the mean of the stored runs of its recipe on its data; else of its recipe, else of its data, else of all. A stage
    that runs share is counted once among the stored ones too, so means are right for whole suites, and not for one run.
    """
    seconds: dict[Hashable, list[float]] = {}
    for record in records:
        if TOTAL in record.timings_s:
            for kind in ((record.recipe, record.dataset), ("recipe", record.recipe), ("data", record.dataset), None):
                seconds.setdefault(kind, []).append(record.timings_s[TOTAL])
    if not seconds:
        return None
    means = {kind: fmean(values) for kind, values in seconds.items()}
    total = 0.0
    for cell in missing:
        recipe, dataset = cell.config.recipe, cell.config.dataset.text()
        kinds: tuple[Hashable, ...] = ((recipe, dataset), ("recipe", recipe), ("data", dataset), None)
        total += next(means[kind] for kind in kinds if kind in means)
    return total
