"""The outcome of one run in a worker: its record is stored, or the reason is known. No error of a run ends the worker."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable

from calibench.errors import CalibenchError, InputError
from calibench.progress import Report, quiet
from calibench.records.remote import RemoteResults
from calibench.runs.launchers.messages import Busy, Done, Failed, Outcome, Progress, Task
from calibench.runs.options import RunOptions


def outcome_of(task: Task, options: RunOptions, report: Report = quiet) -> Outcome:
    """Make the run of a task; `Busy` if another process makes it and `options.wait` is False."""
    from calibench.runs.run import run_config
    from calibench.runs.run_lock import RunBusyError

    start, keys = time.perf_counter(), set(task.fresh_keys)
    try:
        record, there_already = run_config(task.config, options, report, keys)
        if options.remote is not None:
            RemoteResults(options.remote).upload_run(record.run_id)
    except RunBusyError:
        return Busy(task.number)
    except CalibenchError as error:
        return Failed(task.number, error.message, error.hint, isinstance(error, InputError))
    except Exception as error:  # a fault of a plugin or of ours ends one run, not the sweep
        traceback.print_exc()
        return Failed(task.number, f"{type(error).__name__}: {error}", "the log of the worker has the traceback")
    return Done(task.number, record.run_id, there_already, time.perf_counter() - start, frozenset(keys))


def reporter(number: int, send: Callable[[Progress], object], pause: float) -> Report:
    """A report that sends the progress of the run `number`, one message in `pause` seconds at most."""
    last = 0.0

    def report(what: str, done: float, total: int, note: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= pause:
            last = now
            send(Progress(number, what, done, total, note))

    return report
