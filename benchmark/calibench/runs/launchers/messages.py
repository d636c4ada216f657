"""The messages between a pool and its workers."""

from __future__ import annotations

from typing import NamedTuple

from calibench.config.run_config import RunConfig
from calibench.runs.options import RunOptions


class Setup(NamedTuple):
    """The first message to a worker."""

    options: RunOptions
    threads: int


class Task(NamedTuple):
    """A run to make, with its number in the sweep."""

    number: int
    config: RunConfig


class Progress(NamedTuple):
    """How far a run is, as a `calibench.progress.Report` hears it."""

    number: int
    what: str
    done: float
    total: int
    note: str


class Done(NamedTuple):
    """A run that has its record now, or had it already."""

    number: int
    run_id: str
    there_already: bool
    seconds: float


class Failed(NamedTuple):
    """A run that ended without a record."""

    number: int
    message: str
    hint: str


class Busy(NamedTuple):
    """A run that another process makes now."""

    number: int


Outcome = Done | Failed | Busy
