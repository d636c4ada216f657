"""Processes forked from a test: they begin at once, since nothing is imported anew. The test must use a single thread."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import multiprocessing

import calibench.cli
from calibench import InputError


def join(rank: int, count: int, store: Path) -> Callable[[], None]:
    """A function by which this process joins `count` processes as number `rank`, as torchrun's do; they meet at `store`."""

    def prepare() -> None:
        os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_RANK": str(rank)}
        torch.set_num_threads(1)
        torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=count)

    return prepare


def _run_task(rank: int, count: int, folder: str, task: Callable[[], Any]) -> None:
    join(rank, count, Path(folder) / "store")()
    result: Any
    try:
        result = task()
    except InputError as error:
        result = error.message
    except BaseException:
        result = traceback.format_exc()
        print(result, file=sys.stderr)
    torch.save(result, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def on_processes(task: Callable[[], Any], folder: Path, count: int = 2) -> list[Any]:
    """`task()` on processes that have joined as torchrun's do: each one's result, the message of an InputError, or a traceback."""
    folder.mkdir(exist_ok=True)
    (folder / "store").unlink(missing_ok=True)
    multiprocessing.start_processes(_run_task, args=(count, str(folder), task), nprocs=count, start_method="fork")
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(count)]


class Ended(NamedTuple):
    """How a command ended; `code` is the negative signal number if it was killed."""

    code: int
    out: str
    err: str


class ForkedCommand:
    """`calibench WORDS` in a child process, in the folder `cwd`. `before()` runs first in the child."""

    def __init__(self, *words: object, cwd: Path, before: Callable[[], object] = lambda: None) -> None:
        self.streams = [tempfile.TemporaryFile("w+") for _ in ("out", "err")]  # noqa: SIM115 - `wait` closes them
        self.pid = os.fork()
        if self.pid == 0:
            self._run([str(word) for word in words], cwd, before)
        self.status: int | None = None

    def _run(self, words: list[str], cwd: Path, before: Callable[[], object]) -> None:
        """The child's part, which never returns."""
        code = 1
        try:
            os.chdir(cwd)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for number, stream in enumerate(self.streams, 1):
                os.dup2(stream.fileno(), number)
            sys.stdout, sys.stderr = self.streams
            sys.argv = ["calibench", *words]
            warnings.resetwarnings()  # pytest turns calibench's into errors
            warnings.simplefilter("ignore", DeprecationWarning)
            before()
            calibench.cli.main()
        except SystemExit as error:
            code = int(error.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def running(self) -> bool:
        """True if the child has not ended."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        return self.status is None

    def send(self, number: int) -> None:
        """Send a signal to the child, if it has not ended."""
        if self.running():
            os.kill(self.pid, number)

    def wait(self, seconds: float = 120) -> Ended:
        """Wait for the end of the child, which is killed if it takes longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while self.running():
            if time.monotonic() > deadline:
                self.send(signal.SIGKILL)
            time.sleep(0.005)
        assert self.status is not None
        texts = []
        for stream in self.streams:
            stream.seek(0)
            texts.append(stream.read())
            stream.close()
        return Ended(os.waitstatus_to_exitcode(self.status), *texts)
