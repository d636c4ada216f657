"""Locks: one process makes a stage, others wait for it, and nobody waits for a process that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from calibench.cache.lock import locked
from calibench.cache.results import StageResult, StageResults
from calibench.cache.stage_cache import StageCache

KEY = "ab" * 32

MAKER = """
import sys, time, torch
from pathlib import Path
from calibench.cache.results import StageResult, StageResults
from calibench.cache.stage_cache import StageCache
folder, log, number = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])

def make():
    with log.open("a") as lines:
        print("make", number, file=lines)
    time.sleep(1)
    return StageResult({"x": torch.tensor(number)}, {})

print(float(StageResults(StageCache(folder)).get_or_make("stage1", "ab" * 32, make).tensors["x"]))
"""

HOLDER = """
import sys, time
from pathlib import Path
from calibench.cache.lock import locked
with locked(Path(sys.argv[1]), "stage1"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_of_four_processes_one_makes_the_result_and_all_have_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    processes = [
        subprocess.Popen([sys.executable, "-c", MAKER, tmp_path / "cache", log, str(number)], stdout=subprocess.PIPE)
        for number in range(4)
    ]
    printed = {process.communicate(timeout=120)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 4
    assert len(log.read_text().splitlines()) == 1
    assert len(printed) == 1


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with locked(tmp_path, "stage1", wait=False) as held:
        assert not held
    with locked(tmp_path, "another", wait=False) as held:
        assert held
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    start = time.monotonic()
    with locked(tmp_path, "stage1") as held:
        assert held
    assert time.monotonic() - start < 5


def test_a_result_that_came_while_waiting_is_not_made_again(tmp_path: Path) -> None:
    class Late(StageCache):
        """The result appears between the first look and the lock."""

        def making(self, stage: str, key: str):
            self.put(stage, key, StageResult({"x": torch.tensor(1.0)}, {"seconds": 0.0}).packed())
            return super().making(stage, key)

    never: Callable[[], StageResult] = lambda: (_ for _ in ()).throw(AssertionError("made"))  # noqa: E731
    assert StageResults(Late(tmp_path)).get_or_make("stage1", KEY, never).tensors["x"] == 1
