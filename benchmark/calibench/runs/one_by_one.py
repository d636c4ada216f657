"""One run after another in this process, for `calibench run` and `calibench.run`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from calibench.config.run_config import RunConfig
from calibench.errors import CalibenchError
from calibench.processes import joined
from calibench.progress import Report
from calibench.records.record import ResultRecord
from calibench.runs.options import RunOptions
from calibench.runs.run import run_config

ProgressOf = Callable[[int, RunConfig], AbstractContextManager[Report]]
"""Opens the progress report of the run with that number, which counts from 1."""


class Finished(NamedTuple):
    """A record, and whether it was there already; or the error that ended the run without one."""

    record: ResultRecord | None
    there_already: bool = False
    error: CalibenchError | None = None


def labels_of(configs: Sequence[RunConfig]) -> list[str]:
    """A label for the progress of each run, as `[2/6] vtst, seed 0`; data, network and noise are named where they differ."""
    parts = [(c.dataset.text(), c.model.text(), "clean labels" if c.noise is None else c.noise.text()) for c in configs]
    differ = [len(set(column)) > 1 for column in zip(*parts, strict=True)]
    where = [", ".join([text for text, shown in zip(own, differ, strict=True) if shown]) for own in parts]
    return [
        f"[{number}/{len(configs)}] {c.recipe}{f', {place}' if place else ''}, seed {c.seed}"
        for number, (c, place) in enumerate(zip(configs, where, strict=True), 1)
    ]


def launch(configs: Sequence[RunConfig], options: RunOptions, progress_of: ProgressOf) -> Iterator[Finished]:
    """Run the configurations in order; stage results of one run serve those after it, also with `force`.

    Of several runs one that fails does not end the others. The error of a single run is raised.
    """
    fresh_keys: set[str] = set()
    for number, config in enumerate(configs, 1):
        try:
            with progress_of(number, config) as report:
                record, there_already = run_config(config, options, report, fresh_keys)
        except CalibenchError as error:
            if len(configs) == 1 or joined(config.device).size > 1:  # the processes of torchrun end together
                raise
            yield Finished(None, error=error)
            continue
        yield Finished(record, there_already)
