"""The launcher of the command line and of `calibench.run`: one run after another, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from calibench.config.run_config import RunConfig
from calibench.progress import Report
from calibench.records.record import ResultRecord
from calibench.runs.options import RunOptions
from calibench.runs.run import run_config

ProgressOf = Callable[[int, RunConfig], AbstractContextManager[Report]]
"""Opens the progress report of the run with that number, which counts from 1."""


class Finished(NamedTuple):
    """A record, and whether it was there already."""

    record: ResultRecord
    there_already: bool


def labels_of(configs: Sequence[RunConfig]) -> list[str]:
    """A label for the progress of each run, as `[2/6] vtst, seed 0`."""
    return [f"[{number}/{len(configs)}] {c.recipe}, seed {c.seed}" for number, c in enumerate(configs, 1)]


def launch(configs: Sequence[RunConfig], options: RunOptions, progress_of: ProgressOf) -> Iterator[Finished]:
    """Run the configurations in order; stage results of one run serve those after it, also with `force`."""
    fresh_keys: set[str] = set()
    for number, config in enumerate(configs, 1):
        with progress_of(number, config) as report:
            record, there_already = run_config(config, options, report, fresh_keys)
        yield Finished(record, there_already)
