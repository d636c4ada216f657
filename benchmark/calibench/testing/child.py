"""The process in which plugins are checked: `python -m calibench.testing.child DESCRIPTOR MARK` forks one process a job.

A job is a JSON line on standard input. Events are JSON lines on the descriptor, MARK before each: `started` with the process's
number, `begin` with the name of a check, `verdict`, `items`, `ended` with the exit code; `failed` and `no_torch` say why this
process ends. A plugin may crash, hang or end its process: the next job is not hurt.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import resource
import select
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from calibench.errors import lacks_torch
from calibench.testing.verdict import CLOSES_FILES

Emit = Callable[..., None]

MOST_BYTES = 4 << 30
"""Address space that an import may add: one that fills the memory ends in a MemoryError, not the machine."""


def main() -> None:
    """Answer jobs until standard input ends."""
    descriptor, mark = int(sys.argv[1]), sys.argv[2]

    def emit(**event: Any) -> None:
        os.write(descriptor, f"{mark}{json.dumps(event)}\n".encode())

    try:
        _warm_for_listing()
        _serve(emit)
    except Exception as error:
        emit(**({"no_torch": True} if lacks_torch(error) else {"failed": f"{type(error).__name__}: {error}"}))
        raise


def _serve(emit: Emit) -> None:
    """Do jobs until standard input ends."""
    for line in sys.stdin:
        job = json.loads(line)
        if job["stage"] != "list":
            _warm_for_items(job["family"])
        if job["stage"] == "warm":
            continue
        pid = os.fork()
        if pid == 0:
            _answer(job, emit)
        emit(ended=_end_of(pid))


def _end_of(pid: int) -> int:
    """The exit code of a job. This whole group of processes ends if standard input does: the session is gone."""
    with contextlib.suppress(AttributeError, OSError):  # a system without descriptors of processes
        ended = os.pidfd_open(pid)
        ready, _, _ = select.select([ended, 0], [], [])
        os.close(ended)
        if ended not in ready:
            os.killpg(0, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _answer(job: dict[str, Any], emit: Emit) -> None:
    """Do a job in this forked process, which ends."""
    emit(started=os.getpid())
    code = 1
    try:
        with tempfile.TemporaryFile("w+") as stdout, Path(os.devnull).open() as nothing:
            os.dup2(nothing.fileno(), 0)
            os.dup2(stdout.fileno(), 1)

            def printed() -> str:
                sys.stdout.flush()
                stdout.seek(0)
                return stdout.read()

            {"list": _list, "item": _check, "again": _check_again}[job["stage"]](job, emit, printed)
            code = 0
    except BaseException as error:
        code = CLOSES_FILES  # if this message finds its descriptor closed
        emit(broken=f"{type(error).__name__}: {error}")
        code = 1
    finally:
        os._exit(code)


def _list(job: dict[str, Any], emit: Emit, printed: Callable[[], str]) -> None:
    """The checks of a plugin's import, and the items that it offers."""
    from calibench.testing.listing import CHECKS, Listing
    from calibench.testing.verdict import verdict_of

    source = _source(job)
    atexit._clear()  # so that a check sees what the plugin alone does at the end
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(ValueError, OSError):  # where the system knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (used + MOST_BYTES, hard))
    listing = Listing(source, printed)
    for check in CHECKS:
        emit(begin=check.name)
        with contextlib.redirect_stdout(sys.__stdout__):
            emit(verdict=asdict(verdict_of(check, listing)))
    if listing.listed is not None:
        emit(items=[list(key) for key in listing.listed.registry.entries])


def _check(job: dict[str, Any], emit: Emit, printed: Callable[[], str]) -> None:
    """The checks of one item; its result is kept in the file `keep` of the job."""
    from calibench.testing.checks import END, checks_of, verdicts_of
    from calibench.testing.second_process import keep

    item = _item(job)
    names = [*(check.name for check in checks_of(job["family"])), END, ""]
    emit(begin=names[0])
    for name, verdict in zip(names[1:], verdicts_of(item, printed), strict=True):
        emit(verdict=asdict(verdict))
        if name:
            emit(begin=name)
    if job["keep"]:
        keep(item, Path(job["keep"]))


def _check_again(job: dict[str, Any], emit: Emit, _: Callable[[], str]) -> None:
    """Compare an item's result, made here, with the one that another process has kept."""
    from calibench.testing.second_process import NAME, check_against
    from calibench.testing.verdict import verdict_of

    item = _item(job)
    emit(begin=NAME)
    emit(verdict=asdict(verdict_of(check_against(Path(job["keep"])), item, item.title)))


def _item(job: dict[str, Any]) -> Any:
    from calibench.plugins.discovery import forget, registry
    from calibench.testing.any_item import Item

    source = _source(job)
    forget()
    spec = registry().get(job["family"], job["name"]).spec
    return Item(spec, tuple(job["settings"]), Path(source.folder) if source.folder else None)


def _source(job: dict[str, Any]) -> Any:
    from calibench.testing.source import Source

    source = Source(**{**job["source"], "paths": tuple(job["source"]["paths"])})
    source.activate()
    return source


def _warm_for_listing() -> None:
    """Import what listing needs of calibench, so that it does not count as the plugin's."""
    import numpy  # noqa: F401

    from calibench.plugins.discovery import registry

    registry()


def _warm_for_items(family: str) -> None:
    """Import what the checks of items need, torch too, once for all jobs."""
    import torch

    from calibench.testing.checks import checks_of

    torch.set_num_threads(1)
    checks_of(family)
    number = torch.nn.Parameter(torch.zeros(1))
    number.grad = torch.zeros(1)
    torch.optim.AdamW([number]).step()  # the first step of an optimiser imports a thousand modules


if __name__ == "__main__":
    main()
