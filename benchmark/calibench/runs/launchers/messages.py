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
