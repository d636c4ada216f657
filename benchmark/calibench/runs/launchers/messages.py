"""The messages between a launcher and its workers, and between a launcher and the sweep."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from calibench.config.run_config import RunConfig
from calibench.runs.options import RunOptions


class Workers(NamedTuple):
    """What a sweep asks of a launcher."""

    jobs: int | None
    """Runs at once; None leaves the number to the launcher."""
    threads: int
    """CPU threads of a run."""
    logs: Path
    """A folder for what workers print."""


class Setup(NamedTuple):
    """The first message to a worker."""

    options: RunOptions
    threads: int


class Task(NamedTuple):
    """A run to make, with its number in the sweep, and the keys of stages that this command has made."""

    number: int
    config: RunConfig
    fresh_keys: frozenset[str] = frozenset()


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
    fresh_keys: frozenset[str] = frozenset()


class Failed(NamedTuple):
    """A run that ended without a record; `mistake` is True for one of the user."""

    number: int
    message: str
    hint: str
    mistake: bool = False


class Busy(NamedTuple):
    """A run that another process makes now."""

    number: int


Outcome = Done | Failed | Busy


class Event(NamedTuple):
    """A message of one worker; workers have numbers from 0."""

    worker: int
    message: Progress | Outcome
