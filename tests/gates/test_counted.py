"""Counted costs: counts are right, and budgets bind in both directions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import counted
import numpy as np
import pytest
from reads import Reads

PERF = str(Path(counted.__file__).parent)


def test_budgets_bind_in_both_directions() -> None:
    budgets = {"op": {"calls": 5, "peak_bytes": 100_000}, "old": {"calls": 1}}
    over, under = counted.judge({"op": {"calls": 6, "peak_bytes": 106_000}, "new": {"calls": 1}}, budgets)
    assert over == [
        "op: calls 6 exceeds its budget of 5",
        "new: no budget yet",
        "old: has a budget and is not measured any more",
    ]
    assert under == []
    over, under = counted.judge({"op": {"calls": 4, "peak_bytes": 106_100}, "old": {"calls": 1}}, budgets)
    assert over == ["op: peak_bytes 106,100 exceeds its budget of 100,000"]
    assert under == ["op: calls fell from 5 to 4"]
    assert counted.judge({"op": {"calls": 5, "peak_bytes": 94_000}, "old": {"calls": 1}}, budgets) == ([], [])


def test_reads_of_the_logits_are_counted() -> None:
    torch = pytest.importorskip("torch")
    x = torch.randn(200, 10, dtype=torch.float64)
    reads = Reads(x.numel())
    with reads.watch():
        y = x.detach().view(10, 200).t()  # three views: no number is read
        total = y.exp().sum()  # two passes
        total.add(1)  # one number
    assert (reads.calls, reads.passes) == (6, 2)

    reads = Reads(x.numel())
    with reads.watch():
        a = x.numpy()
        b = np.exp(a - a.max(axis=1, keepdims=True))  # three passes
        b /= b.sum(axis=1, keepdims=True)  # two
        column = b[np.arange(200), 3]  # 200 numbers: no pass, nor are operations on them
        np.log(column).sum()
        np.nonzero(b > 0.5)  # two
        b.copy()  # one
    assert (reads.calls, reads.passes) == (1, 8)  # numpy() is a detach
    assert b == pytest.approx(x.softmax(1).numpy())
    assert type(x.numpy()) is np.ndarray


def test_bytes_that_torch_hands_out_are_counted() -> None:
    torch = pytest.importorskip("torch")
    x = torch.randn(1000)
    assert counted.torch_bytes(lambda: x.double().exp()) == 2 * 8000


HEAP = """
import sys
sys.path.insert(0, sys.argv[1])
import counted, numpy, torch
x = torch.randn(100_000)
for call in (lambda: None, lambda: numpy.zeros(100_000).sum(), lambda: x.double().exp(), lambda: (x.double(), None)[1]):
    call()
    print(counted.peak_bytes(call))
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which(os.environ.get("CC", "cc")) is None, reason="no C compiler")
def test_bytes_on_the_heap_are_counted(tmp_path: Path) -> None:
    environment = counted.heap_environment()
    if not environment:
        pytest.skip("peak_bytes needs Linux with glibc")
    command = [sys.executable, "-c", HEAP, PERF]
    process = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    nothing, array, two_tensors, freed = map(int, process.stdout.split())
    assert nothing < 1000
    assert 800_000 <= array < 802_000
    assert 1_600_000 <= two_tensors < 1_604_000
    assert 800_000 <= freed < 802_000


def test_every_command_has_a_budget() -> None:
    document = json.loads(counted.BUDGETS.read_text())
    assert set(document["measured_with"]) == {"python", "torch", "numpy"}
    commands = {"calibench " + " ".join(command) for command in counted.COMMANDS}
    assert commands <= set(document["budgets"])
