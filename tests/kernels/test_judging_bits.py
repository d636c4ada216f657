"""The operators of judging give the same bits for every number of threads and every instruction set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from kernel_backends import assert_threads_change_nothing, bits, each_backend, needs_fused
from kernel_judging import results

from calibench import kernels


@each_backend
@pytest.mark.slow
def test_threads_change_no_bit() -> None:
    assert_threads_change_nothing(results)


@needs_fused
@pytest.mark.slow
def test_instruction_sets_change_no_bit(tmp_path: Path) -> None:
    """CALIBENCH_ISA is read when the extension is loaded, so each has a process of its own."""
    script = "import sys, torch; from kernel_judging import results; torch.save(results(), sys.argv[1])"
    here = str(Path(__file__).parent)
    expected = bits(results())
    for isa in kernels.extension_status().instruction_sets:
        path = tmp_path / isa
        environment = {**os.environ, "CALIBENCH_ISA": isa}
        environment["PYTHONPATH"] = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
        subprocess.run([sys.executable, "-c", script, str(path)], env=environment, check=True, timeout=120)
        found = bits(torch.load(path))
        assert [i for i, (a, b) in enumerate(zip(found, expected, strict=True)) if a != b] == [], isa
