"""The operators of judging give the same bits for every number of threads and every instruction set."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from kernel_backends import assert_threads_change_nothing, bits, each_backend, needs_fused
from kernel_doors import each_door
from kernel_judging import results

from calibench import kernels


@each_backend
@each_door
@pytest.mark.slow
def test_threads_change_no_bit(door: str) -> None:
    assert_threads_change_nothing(partial(results, door))


@each_backend
@pytest.mark.slow
def test_doors_change_no_bit() -> None:
    assert bits(results("numpy")) == bits(results("torch"))


@needs_fused
@pytest.mark.slow
def test_instruction_sets_change_no_bit(tmp_path: Path) -> None:
    """CALIBENCH_ISA is read when the extension is loaded, so each has a process of its own."""
    save = "torch.save(results('torch') + results('numpy'), sys.argv[1])"
    script = f"import sys, torch; from kernel_judging import results; {save}"
    here = str(Path(__file__).parent)
    expected = 2 * bits(results())
    for isa in kernels.extension_status().instruction_sets:
        path = tmp_path / isa
        environment = {**os.environ, "CALIBENCH_ISA": isa}
        environment["PYTHONPATH"] = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
        subprocess.run([sys.executable, "-c", script, str(path)], env=environment, check=True, timeout=120)
        found = bits(torch.load(path))
        assert [i for i, (a, b) in enumerate(zip(found, expected, strict=True)) if a != b] == [], isa
