"""Session: the other side of `child.py`. It sends jobs, follows the events, and ends a process whose check takes too long."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from calibench.errors import InputError, NoTorchError, RunError
from calibench.testing.verdict import CLOSES_FILES, FAILS, Verdict

START_SECONDS = 300.0
"""The longest wait for the child process itself, which imports torch."""

HASHES = "1", "2"
"""PYTHONHASHSEED of the process of all checks, and of the second one."""

WRITES = "a plugin wrote into the messages of its check"
_HINT = "CALIBENCH_TRACEBACK=1 shows its messages"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Session:
    """A child process that checks plugins, each job in a process of its own. `limit` is the seconds that a check may take.

    `hashes` is its PYTHONHASHSEED.
    """

    def __init__(self, limit: float, hashes: str) -> None:
        self.limit = limit
        self.items: list[tuple[str, str]] = []
        """Family and name of the items of the plugin that was listed last."""
        ours, theirs = os.pipe()
        self._events = os.fdopen(ours, "rb", buffering=0)
        self._left = b""
        self._mark = secrets.token_hex(8)
        """Begins every event: what a plugin writes into the pipe is told from it."""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "calibench.testing.child", str(theirs), self._mark],
            pass_fds=[theirs],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if not os.environ.get("CALIBENCH_TRACEBACK") else None,
            env={
                **os.environ,
                **dict.fromkeys(_THREADS, "1"),
                "CALIBENCH_PROBE_PLUGINS": "0",
                "PYTHONHASHSEED": hashes,
            },
            start_new_session=True,  # so that its whole group can be ended
        )
        os.close(theirs)

    def verdicts(self, job: dict[str, Any], item: str = "") -> Iterator[Verdict]:
        """The verdicts of a job, each as it is found. A check that hangs or that ends its process fails, and the job ends."""
        self._send(job)
        pid, begun, late, deadline = 0, "", False, time.monotonic() + START_SECONDS
        while True:
            event = self._next(deadline)
            if event is None:
                late, deadline = True, time.monotonic() + START_SECONDS
                if pid == 0:
                    raise RunError("the process that checks plugins does not answer", "try again")
                _kill(pid)
            elif "foreign" in event:
                yield Verdict(begun or "messages", FAILS, WRITES, "write only to files that you opened", item)
                self._end_job(pid)
                return
            elif "started" in event:
                pid, deadline = event["started"], time.monotonic() + self.limit
            elif "begin" in event:
                begun, deadline = event["begin"], time.monotonic() + self.limit
            elif "verdict" in event:
                begun = ""
                yield Verdict(**event["verdict"])
            elif "items" in event:
                self.items = [(family, name) for family, name in event["items"]]
            elif "broken" in event:
                yield Verdict(begun or "check", FAILS, f"the check itself failed: {event['broken']}", item=item)
                begun = ""
            elif "ended" in event:
                if begun:
                    yield _of_dead(begun, event["ended"], self.limit if late else None, item)
                return

    def warm(self, family: str) -> None:
        """Let the child import what the checks of a family need, while this process goes on."""
        self._send({"stage": "warm", "family": family})

    def _send(self, job: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # `_next` says how it ended
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()

    def _end_job(self, pid: int) -> None:
        """End the job's process, and pass over its other events."""
        _kill(pid)
        while "ended" not in (self._next(time.monotonic() + START_SECONDS) or {"ended": 0}):
            pass

    def _next(self, deadline: float) -> dict[str, Any] | None:
        """The next event; None if there is none before the deadline. Text of a plugin is the event `foreign`.

        RunError if the child is gone or has failed.
        """
        while b"\n" not in self._left:
            ready, _, _ = select.select([self._events], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return None
            part = self._events.read(65536)
            if not part:
                code = self._process.wait()
                raise RunError(f"the process that checks plugins ended with {code}", _HINT)
            self._left += part
        line, _, self._left = self._left.partition(b"\n")
        foreign, mark, text = line.rpartition(self._mark.encode())
        if foreign or not mark:
            self._left = mark + text + b"\n" + self._left if mark else self._left
            return {"foreign": True}
        event: dict[str, Any] = json.loads(text)
        if "no_torch" in event:
            raise NoTorchError("calibench plugin check")
        if "failed" in event:
            raise RunError(f"the process that checks plugins failed: {event['failed']}", _HINT)
        return event

    def close(self) -> None:
        """End the child process, and all that plugins have started from it."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._events.close()


def _kill(pid: int) -> None:
    """Kill the process of a job; 0 is none."""
    with contextlib.suppress(ProcessLookupError):
        if pid:
            os.kill(pid, signal.SIGKILL)


def _of_dead(check: str, code: int, limit: float | None, item: str) -> Verdict:
    """The verdict on a check whose process hangs, or has ended."""
    if limit is not None:
        remedy = "it must end; a longer limit is --limit SECONDS"
        return Verdict(check, FAILS, f"it hangs: no end within {limit:g} s", remedy, item)
    if code == CLOSES_FILES:
        remedy = "close only what you opened"
        return Verdict(check, FAILS, "it closes files of the process that are not its own", remedy, item)
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return Verdict(
        check, FAILS, f"it ends the whole process, with {how}", "raise an exception in place of os._exit", item
    )


@contextmanager
def session(limit: float, hashes: str = HASHES[0]) -> Iterator[Session]:
    """A session that ends with the block. InputError where processes cannot be forked."""
    if not hasattr(os, "fork"):
        raise InputError("plugins are checked in forked processes, which this system has not", "use Linux or macOS")
    opened = Session(limit, hashes)
    try:
        yield opened
    finally:
        opened.close()
