"""Processes that are interrupted, killed, stopped or doubled, clocks that jump, and disks that are full or cannot be written."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from faults import FULL, Fault, LostError, Place, seen


def ended_by(number: int, twice: bool = False) -> Callable[[Place, int], str]:
    """A signal at a random moment of the run, or twice."""

    def inject(place: Place, seed: int) -> str:
        command = place.start()
        time.sleep(random.Random(f"{number} {seed}").uniform(0, place.seconds))
        command.send(number)
        if twice:
            time.sleep(0.02)
            command.send(number)
        ended = command.wait(60)
        if "Traceback" in ended.err:
            raise LostError(ended.err)
        if ended.code == -number:
            return "nothing: the system ended it"
        return seen(ended)

    return inject


def stopped(place: Place, seed: int) -> str:
    command = place.start()
    time.sleep(place.seconds * (0.2 + 0.3 * seed))
    command.send(signal.SIGSTOP)
    time.sleep(1)
    command.send(signal.SIGCONT)
    return seen(command.wait(60))


def full_disk(place: Place, seed: int) -> str:
    size = (0, 100, 4_000, 20_000, 60_000)[seed]

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        os.environ["CALIBENCH_CHECKPOINT_SECONDS"] = "0"

    command = place.start(before=limit)  # its own output is a file too, and may be cut short
    ended = command.wait(60)
    if ended.code not in (0, 1, 2):
        raise LostError(f"exit {ended.code}: {ended.err}")
    return seen(ended)


def no_folder(place: Place, seed: int) -> str:
    return seen(place.run(*FULL, "--results", ("/proc/x", "/dev/null", "/sys/x/y")[seed]))


def folder_in_the_way(name: str) -> Callable[[Place, int], str]:
    def inject(place: Place, _: int) -> str:
        place.results.mkdir()
        (place.results / name).write_text("a file where a folder belongs")
        ended = place.run()
        (place.results / name).unlink()
        return seen(ended)

    return inject


def folder_removed(place: Place, seed: int) -> str:
    command = place.start()
    time.sleep(place.seconds * (0.3 + 0.2 * seed))
    shutil.rmtree(place.results, ignore_errors=True)
    ended = command.wait(60)
    if "this is a bug" in ended.err:
        raise LostError(ended.err)
    return seen(ended)


def clock(seconds: float) -> Callable[[Place, int], str]:
    """The clock of the process is wrong by so many seconds, from its middle on."""

    def inject(place: Place, _: int) -> str:
        real = time.time

        def jump() -> None:
            start = time.monotonic()
            time.time = lambda: real() + (seconds if time.monotonic() - start > place.seconds / 4 else 0)

        return seen(place.run(before=jump))

    return inject


def files_of_the_future(place: Place, _: int) -> str:
    for path in place.results.rglob("*"):
        os.utime(path, (2**33, 2**33))
    return seen(place.run())


def at_once(count: int) -> Callable[[Place, int], str]:
    """The same run in several processes that start together."""

    def inject(place: Place, _: int) -> str:
        commands = [place.start() for _ in range(count)]
        ended = [command.wait(120) for command in commands]
        if any(one.code for one in ended):
            raise LostError("\n".join(one.err for one in ended))
        return seen(ended[0])

    return inject


def killed_beside_another(place: Place, seed: int) -> str:
    first, second = place.start(), place.start()
    time.sleep(place.seconds * (0.2 + 0.3 * seed))
    first.send(signal.SIGKILL)
    first.wait()
    return seen(second.wait(60))


def left_by_the_dead(place: Place, _: int) -> str:
    """A temporary file of a process that is gone."""
    from calibench.atomic import temporary_of

    name = temporary_of(place.results / "records" / "a.json").name.replace(f".{os.getpid()}.", ".999999999.")
    (place.results / "records" / name).write_text("half a rec")
    Path(place.file("records/*.json")).unlink()  # so that something is written
    return seen(place.run())


FAULTS = [
    Fault("Ctrl-C", "SIGINT at a random moment of a run", 20, ended_by(signal.SIGINT), False),
    Fault("Ctrl-C twice", "two SIGINT 20 ms apart", 10, ended_by(signal.SIGINT, twice=True), False),
    Fault("a batch system ends the job", "SIGTERM at a random moment", 20, ended_by(signal.SIGTERM), False),
    Fault("the terminal is closed", "SIGHUP at a random moment", 20, ended_by(signal.SIGHUP), False),
    Fault("the machine loses power", "SIGKILL at a random moment", 20, ended_by(signal.SIGKILL), False),
    Fault("the process is stopped", "SIGSTOP, a second later SIGCONT", 2, stopped, False),
    Fault(
        "the disk is full",
        "no file may grow beyond 0, 100, 4 000, 20 000, 60 000 bytes (RLIMIT_FSIZE)",
        5,
        full_disk,
        False,
    ),
    Fault("the disk cannot be written", "results in /proc, /dev/null, /sys", 3, no_folder, False),
    *(
        Fault(f"a file is called {name}", "where the folder belongs", 1, folder_in_the_way(name), False)
        for name in ("records", "predictions", "cache")
    ),
    Fault("the results are removed during the run", "rm -r at three moments", 3, folder_removed, False),
    Fault("the clock jumps back", "time.time() less 3 years", 1, clock(-1e8), False),
    Fault("the clock jumps ahead", "time.time() and 30 years", 1, clock(1e9), False),
    Fault("files of the future", "every file is from the year 2242", 1, files_of_the_future),
    Fault("two processes make one run", "started at once", 5, at_once(2), False),
    Fault("four processes make one run", "started at once", 2, at_once(4), False),
    Fault("one of two processes is killed", "SIGKILL for the first of two", 3, killed_beside_another, False),
    Fault("half a file of a dead process", "a temporary file is left in records/", 1, left_by_the_dead),
]
