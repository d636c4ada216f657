"""One process among several: its part of the rows, its random draws, and when there is nothing to join."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from calibench.processes import ALONE, Processes, joined
from calibench.seeds import seeded


def test_parts_hold_every_row_once() -> None:
    for size in range(1, 6):
        for n in range(20):
            parts = [list(range(n))[Processes(rank, size).part(n)] for rank in range(size)]
            assert [row for part in parts for row in part] == list(range(n))
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_random_draws_differ_between_processes_and_steps() -> None:
    draws = set()
    for rank in range(3):
        for step in range(3):
            processes = Processes(rank, 3)
            processes.step = step
            with seeded(5):
                draws.add(float(processes.share(lambda: torch.rand(()), lambda: torch.zeros(()), 1, 1)))
                after = float(torch.rand(()))
            with seeded(5):
                assert after == float(torch.rand(())), "the stream that all processes share has not moved"
    assert len(draws) == 9


def test_without_torchrun_nothing_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert joined("cpu") is ALONE
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert joined("cpu") is ALONE


LEAVES = """
import os
import torch
from calibench import processes
processes.joined("cpu").total(torch.ones(2))
import torch._dynamo  # as the optimizers do; it imports the functions of torch.distributed
processes._leave()
names = [open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")]
print("threads:", *[name for name in names if "gloo" in name], flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are listed by Linux")
def test_no_thread_of_the_transport_outlives_the_group(tmp_path: Path) -> None:
    """A thread that frees a tensor while the interpreter ends aborts the process: 2 of 28 runs on a busy machine did."""
    script = tmp_path / "leaves.py"
    script.write_text(LEAVES)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    ended = subprocess.run(launch, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == ["threads:", "threads:"]
