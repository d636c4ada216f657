"""The CUDA operators of judging, compiled for the CPU, pass the tests that compare them with the CPU operators."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kernel_backends import needs_fused

HERE = Path(__file__).parent
SHAPES = "float32-10 or bfloat16-65 or float64-3 or sizes or errors"
SOME = f"not 1000 and not 1048653 and (counts or ranges or risks or groups or refused or {SHAPES})"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the operators are compiled, once for both orders."""
    if not (HERE.parents[1] / "csrc").exists():
        pytest.skip("not a checkout")
    return tmp_path_factory.mktemp("host")


@pytest.mark.slow
@needs_fused
@pytest.mark.parametrize("order", ["rising", "falling"])
def test_they_give_what_the_cpu_gives(folder: Path, order: str) -> None:
    """No result depends on the order of the threads, nor on what is in scratch memory before."""
    environment = {**os.environ, **({"REVERSE": "1"} if order == "falling" else {})}
    command = [sys.executable, str(HERE / "cuda_on_host.py"), str(folder), "-k", SOME]
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert process.returncode == 0, process.stdout[-3000:] + process.stderr[-3000:]
    assert " passed" in process.stdout
    assert " skipped" not in process.stdout
