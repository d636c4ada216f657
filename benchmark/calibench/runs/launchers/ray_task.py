"""The part of the launcher `ray` that runs on workers: a task makes one run, and an actor keeps the progress of all."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from calibench.cache.code import installed_code_of
from calibench.records.remote import RemoteResults
from calibench.runs.launchers.messages import Outcome, Progress, Setup, Task
from calibench.runs.launchers.outcome import outcome_of, reporter
from calibench.runs.trackers import with_absolute_paths

PAUSE = 1.0
"""The least time between two messages of progress, in seconds."""


class OtherCode(NamedTuple):
    """The machine `host` has other code of calibench or of a plugin than the sweep."""

    host: str


class Inbox:
    """An actor: the newest progress of each run."""

    def __init__(self) -> None:
        self.messages: dict[int, Progress] = {}

    def put(self, message: Progress) -> None:
        """Keep a message in place of the earlier one of its run."""
        self.messages[message.number] = message

    def take(self) -> list[Progress]:
        """The messages since the last call."""
        taken, self.messages = list(self.messages.values()), {}
        return taken


def make_run(task: Task, setup: Setup, code: str, logs: Path, inbox: Any) -> Outcome | OtherCode:
    """Make the run of a task in this process of Ray, with the threads of `setup`; what it prints goes to a file in `logs`."""
    if code_of_run(tuple(sorted(part.spec.target for part in task.config.parts))) != code:
        return OtherCode(socket.gethostname())
    os.environ.update({name: str(setup.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")})
    from calibench.kernels import set_threads

    set_threads(setup.threads)
    log: Any = LateLog(logs / f"{socket.gethostname()}-{os.getpid()}.log")
    options = setup.options
    if options.remote is not None:  # each machine has a mirror of its own
        options = dataclasses.replace(options, results=RemoteResults(options.remote).mirror)
    with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        return outcome_of(task, options, reporter(task.number, inbox.put.remote, PAUSE))


@functools.cache
def code_of_run(targets: Sequence[str]) -> str:
    """The digest of calibench and of the packages of `targets` on this machine."""
    return installed_code_of(targets)


class LateLog(io.TextIOBase):
    """A file that is created by the first text that is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def write(self, text: str) -> int:
        """Append `text`."""
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a", encoding="utf-8")
        self._file.write(text)
        self._file.flush()
        return len(text)


def with_absolute_results(setup: Setup) -> Setup:
    """The same for a process with another working folder."""
    results = setup.options.results
    assert results is not None
    track = tuple(with_absolute_paths(text) for text in setup.options.track)
    return setup._replace(options=dataclasses.replace(setup.options, results=results.resolve(), track=track))
