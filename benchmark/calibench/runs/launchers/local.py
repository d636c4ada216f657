"""`--launcher local`: worker processes on this machine, each with one run at a time.

A worker that is killed loses the stage that it was making, up to its last write, and nothing else: finished stages lie in the
cache. Its run goes to a new worker.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path

from calibench.config.run_config import RunConfig
from calibench.errors import NoTorchError
from calibench.runs.launchers.messages import Busy, Done, Event, Failed, Outcome, Progress, Setup, Task, Workers
from calibench.runs.launchers.waiting import TRIES, Waiting
from calibench.runs.options import RunOptions

WORKER = "calibench.runs.launchers.worker"
"""The module that a worker process runs."""

BUSY_PAUSE = 0.5
"""Seconds before a run that another process makes is asked for again, if there is nothing else to do."""


@dataclass
class Worker:
    """A process, the connection to it, the file that it prints into, and the number of the run that it makes."""

    process: subprocess.Popen[bytes]
    connection: Connection
    log: Path
    number: int | None = None


def launch(configs: Sequence[RunConfig], options: RunOptions, workers: Workers) -> Iterator[Event]:
    """Run all configurations, by default as many at once as there are cores; every one ends in a `Done` or a `Failed`.

    The worker processes end with the iterator. InputError without torch, which every one of them would miss.
    """
    if find_spec("torch") is None:
        raise NoTorchError("training")
    waiting = Waiting(configs)
    fresh_keys: set[str] = set()
    setup, logs = Setup(options, workers.threads), workers.logs
    with _started_workers(min(workers.jobs or cores(), len(configs)), setup, logs) as processes:
        while len(waiting) or any(worker.number is not None for worker in processes):
            for place, worker in enumerate(processes):
                if worker.number is None and (number := waiting.take()) is not None:
                    task = Task(number, configs[number], frozenset(fresh_keys if options.force else ()))
                    processes[place] = _give(worker, place, task, setup, logs)
            for event in _heard(processes, waiting, setup, logs):
                if isinstance(event.message, Done):
                    fresh_keys |= event.message.fresh_keys
                yield event


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _give(worker: Worker, place: int, task: Task, setup: Setup, logs: Path) -> Worker:
    """The worker with a run to make; a new one in its place if it has died meanwhile."""
    try:
        worker.connection.send(task)
    except OSError:
        worker = _started(place, setup, logs)
        worker.connection.send(task)
    worker.number = task.number
    return worker


def _heard(workers: list[Worker], waiting: Waiting, setup: Setup, logs: Path) -> Iterator[Event]:
    """The messages that have come, at least one; dead workers are replaced."""
    ready = wait([worker.connection for worker in workers if worker.number is not None], timeout=BUSY_PAUSE)
    for place, worker in enumerate(workers):
        if worker.connection not in ready or worker.number is None:
            continue
        try:
            message: Progress | Outcome = worker.connection.recv()
        except (EOFError, OSError):
            yield from _of_dead(worker, place, waiting)
            workers[place] = _started(place, setup, logs)
            continue
        if isinstance(message, Progress):
            yield Event(place, message)
            continue
        worker.number = None
        if isinstance(message, Busy):
            waiting.back(message.number)
            time.sleep(0 if len(waiting) > 1 else BUSY_PAUSE)
        else:
            waiting.ended(message.number)
        yield Event(place, message)


def _of_dead(worker: Worker, place: int, waiting: Waiting) -> Iterator[Event]:
    """A failure of the run whose worker has been killed too often."""
    number = worker.number
    assert number is not None
    code = worker.process.wait()
    if waiting.died(number):
        return
    reason = f"signal {-code}" if code < 0 else f"exit code {code}"
    yield Event(place, Failed(number, f"its process ended {TRIES} times ({reason})", "is there enough memory?"))


@contextmanager
def _started_workers(count: int, setup: Setup, logs: Path) -> Iterator[list[Worker]]:
    workers = [_started(place, setup, logs) for place in range(count)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.connection.close()
        for worker in workers:
            if worker.number is not None:  # cut off: what it trains is kept up to its last write
                worker.process.kill()
            worker.process.wait()
        _remove_empty({worker.log for worker in workers})


def _remove_empty(logs: Iterable[Path]) -> None:
    for log in logs:
        with contextlib.suppress(OSError):
            if log.stat().st_size == 0:
                log.unlink()


def _started(place: int, setup: Setup, logs: Path) -> Worker:
    """A new worker process; its connection is the only file that it inherits."""
    ours, theirs = Pipe()
    words = [str(theirs.fileno()), str(os.getpid()), json.dumps([str(folder) for folder in sys.path])]
    threads = {name: str(setup.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    path = logs / f"{socket.gethostname()}-{os.getpid()}-{place + 1}.log"
    with path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", WORKER, *words],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | threads,
        )
    theirs.close()
    ours.send(setup)
    return Worker(process, ours, path)
