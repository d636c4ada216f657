"""`calibench doctor`: which backend serves each operator, what is wrong, and exit code 1 if something is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import calibench
from calibench import kernels
from calibench.kernels.self_test import PASSED

pytestmark = pytest.mark.filterwarnings("default::calibench.errors.CalibenchWarning")


@pytest.mark.usefixtures("fused")
def test_a_whole_installation_is_healthy(cli, monkeypatch):
    monkeypatch.delenv("CALIBENCH_BACKEND")
    ran = cli("doctor", "--json")
    assert ran.code == 0, ran.out
    assert ran.document["schema"] == "calibench.doctor/1"
    assert ran.document["healthy"]
    facts = ran.document["kernels"]
    assert [op["op"] for op in facts["ops"]] == list(kernels.OPS)
    assert {op["cpu"] for op in facts["ops"]} == {facts["cpu"]} == {"fused-cpu"}
    assert {op["self_test_cpu"] for op in facts["ops"]} == {facts["self_test"]} == {PASSED}
    assert facts["instruction_set"] in facts["instruction_sets"]
    assert facts["threads"] == torch.get_num_threads()
    table = cli("doctor")
    assert table.code == 0
    for word in (*kernels.OPS, f"{facts['instruction_set']} (usable:", "fused-cpu", "healthy"):
        assert word in table.out


def test_a_kernel_that_fails_is_named_and_not_healthy(cli, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no such instruction\nsecond line")

    monkeypatch.setattr(kernels, "nll_curve", broken)
    ran = cli("doctor", "--json")
    assert ran.code == 1
    assert not ran.document["healthy"]
    failure = "float64 [300, 3]: RuntimeError: no such instruction"
    assert ran.document["kernels"]["self_test"] == f"nll_curve on cpu: {failure}"
    assert {op["op"]: op["self_test_cpu"] for op in ran.document["kernels"]["ops"]}["nll_curve"] == failure
    table = cli("doctor")
    assert table.code == 1
    assert "no such instruction" in " ".join(table.out.split())


@pytest.mark.slow
def test_without_the_extension(tmp_path):
    """A copy of the package without its compiled files: the reference serves, and the command says how to build."""
    package = Path(calibench.__file__).parent
    shutil.copytree(package, tmp_path / "calibench", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "CALIBENCH_BACKEND": "", "COLUMNS": "100"}
    command = [sys.executable, "-m", "calibench", "doctor"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    for words in (
        "no fused CPU kernels: the fused kernels are not available (no _ops*.so in",
        "CALIBENCH_BUILD=cpu pip install --no-build-isolation -e .  (needs g++",
        "\nhealthy: the float64 reference serves, slower than compiled kernels\n",
    ):
        assert words in ran.stdout, ran.stdout
    assert ran.stdout.count("reference") >= len(kernels.OPS)
