"""A worker of a pool: a process that makes one run after another, as its parent asks: `python -m ... FILE_DESCRIPTOR`."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection

from calibench.errors import CalibenchError, InputError
from calibench.progress import Report
from calibench.runs.launchers.messages import Busy, Done, Failed, Outcome, Progress, Setup, Task
from calibench.runs.options import RunOptions

LOOK = 1.0
"""Seconds between two looks at the parent: a worker without one ends."""

PAUSE = 0.2
"""The least time between two messages of progress, in seconds."""


def main() -> None:
    """Answer tasks until the parent closes the connection or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    parent = os.getppid()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    connection = Connection(int(sys.argv[1]))
    os.dup2(2, 1)  # a plugin that prints writes to the log
    setup: Setup = connection.recv()
    from calibench.kernels import set_threads

    set_threads(setup.threads)
    while True:
        try:
            task: Task = connection.recv()
        except EOFError:
            return
        connection.send(_outcome(task, setup.options, _reporter(task.number, connection.send)))


def _end_with(parent: int) -> None:
    """End this process when its parent is gone. What it trains is kept up to its last write, and made on by the next sweep."""
    while os.getppid() == parent:
        time.sleep(LOOK)
    os._exit(1)


def _reporter(number: int, send: Callable[[Progress], None]) -> Report:
    last = 0.0

    def report(what: str, done: float, total: int, note: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PAUSE:
            last = now
            send(Progress(number, what, done, total, note))

    return report


def _outcome(task: Task, options: RunOptions, report: Report) -> Outcome:
    from calibench.runs.run import run_config
    from calibench.runs.run_lock import RunBusyError

    start, keys = time.perf_counter(), set(task.fresh_keys)
    try:
        record, there_already = run_config(task.config, options, report, keys)
    except RunBusyError:
        return Busy(task.number)
    except CalibenchError as error:
        return Failed(task.number, error.message, error.hint, isinstance(error, InputError))
    except Exception as error:  # a fault of a plugin or of ours ends one run, not the sweep
        traceback.print_exc()
        return Failed(task.number, f"{type(error).__name__}: {error}", "the log of the worker has the traceback")
    return Done(task.number, record.run_id, there_already, time.perf_counter() - start, frozenset(keys))


if __name__ == "__main__":
    main()
