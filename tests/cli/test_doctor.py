"""`calibench doctor`: who serves each operator, a self-test that notices a wrong kernel, what is missing and how to get it."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import calibench
from calibench import kernels
from calibench.kernels import diagnosis, loader
from calibench.kernels.self_test import PASSED, self_test

pytestmark = pytest.mark.filterwarnings("default::calibench.errors.CalibenchWarning")

STATUS = kernels.extension_status()
needs_fused = pytest.mark.skipif(not STATUS.ops, reason=f"not built: {STATUS.error}")


@needs_fused
def test_a_whole_installation_is_healthy(cli, monkeypatch):
    monkeypatch.delenv("CALIBENCH_BACKEND", raising=False)
    ran = cli("doctor", "--json")
    assert ran.code == 0, ran.out
    found = ran.document["kernels"]
    assert ran.document["healthy"]
    assert [op["op"] for op in found["ops"]] == list(kernels.OPS)
    assert {op["cpu"] for op in found["ops"]} == {found["cpu"]} == {"fused-cpu"}
    assert {op["self_test_cpu"] for op in found["ops"]} == {found["self_test"]} == {PASSED}
    assert found["instruction_set"] in found["instruction_sets"]
    assert found["threads"] == torch.get_num_threads()
    table = cli("doctor")
    assert table.code == 0
    for word in (*kernels.OPS, f"{found['instruction_set']} (usable:", "fused-cpu", "healthy"):
        assert word in table.out


@pytest.mark.parametrize("op", kernels.OPS)
def test_the_self_test_notices_a_wrong_kernel(op, monkeypatch):
    """One figure of one call is off by a part in 10^5; every other operator still passes."""
    if op == "calibration_update":
        right = kernels.CalibrationAccumulator.compute
        monkeypatch.setattr(kernels.CalibrationAccumulator, "compute", lambda self: off(right(self)))
    elif op == "calibration_stats":
        right = kernels.calibration_stats

        def slightly_wrong(*arguments, **options):
            stats, samples = right(*arguments, **options)
            return off(stats), samples

        monkeypatch.setattr(kernels, op, slightly_wrong)
    else:
        right = getattr(kernels, op)
        monkeypatch.setattr(kernels, op, lambda *a, **k: off(right(*a, **k)))
    found = self_test()
    assert "differs" in found[op]
    assert "float64 [300, 3]" in found[op]
    assert {name for name, said in found.items() if said != PASSED} == {op}


def off(result):
    """The last field that holds fractions, else the last, slightly wrong."""
    fields = [field.clone() for field in result]
    fractions = [i for i, field in enumerate(fields) if field.is_floating_point() and (field % 1).any()]
    at = fractions[-1] if fractions else len(fields) - 1
    if fractions:
        fields[at] = fields[at] * (1 + 1e-5)
    else:
        fields[at].view(-1)[0] += 1
    return type(result)(*fields)


def test_a_kernel_that_fails_is_named_and_not_healthy(cli, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("no such instruction\nsecond line")

    monkeypatch.setattr(kernels, "nll_curve", broken)
    ran = cli("doctor", "--json")
    assert ran.code == 1
    assert not ran.document["healthy"]
    said = "float64 [300, 3]: RuntimeError: no such instruction"
    assert ran.document["kernels"]["self_test"] == f"nll_curve on cpu: {said}"
    assert {op["op"]: op["self_test_cpu"] for op in ran.document["kernels"]["ops"]}["nll_curve"] == said
    table = cli("doctor")
    assert table.code == 1
    assert "no such instruction" in " ".join(table.out.split())


def test_without_the_extension(tmp_path):
    shutil.copytree(
        Path(calibench.__file__).parent, tmp_path / "calibench", ignore=shutil.ignore_patterns("*.so", "__pycache__")
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)} | {"CALIBENCH_BACKEND": "", "COLUMNS": "100"}
    command = [sys.executable, "-m", "calibench", "doctor"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 1, ran.stderr
    for words in (
        "no fused CPU kernels: the fused kernels are not available (no _ops*.so in",
        "CALIBENCH_BUILD=cpu pip install --no-build-isolation -e .  (needs g++",
        "not healthy",
    ):
        assert words in ran.stdout, ran.stdout
    assert ran.stdout.count("reference") >= len(kernels.OPS)


def status(**changes):
    build = {
        "instruction_set": "avx2",
        "instruction_sets_compiled": ["avx512", "avx2", "generic"],
        "instruction_sets_detected": ["avx2", "generic"],
        "cuda_architectures": ["sm_80", "sm_90", "compute_90"],
        "cuda_version": "13.0",
    }
    complete = loader.ExtensionStatus(True, "_ops.so", None, build, tuple(kernels.OPS), tuple(kernels.OPS))
    return dataclasses.replace(complete, **changes)


def missing(monkeypatch, found):
    monkeypatch.delenv("CALIBENCH_BACKEND", raising=False)
    monkeypatch.setattr(loader._State, "status", found)
    return diagnosis._missing(found)


def test_what_is_missing_has_a_reason_and_a_command(monkeypatch):
    """No GPU stands in any of these machines: what they have is said to them."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    ((what, why, how),) = missing(monkeypatch, status())
    assert what == "GPU for the CUDA kernels"
    assert "is built without CUDA" in why
    assert how.startswith('pip install "torch>=2.10,<2.14" in its CUDA build (cu130)')
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    ((_, why, how),) = missing(monkeypatch, status())
    assert (why, how) == ("torch sees no GPU", "check nvidia-smi and CUDA_VISIBLE_DEVICES")
    ((what, why, how),) = missing(monkeypatch, status(cuda_ops=()))
    assert (what, why) == ("fused CUDA kernels", "the fused kernels were built without CUDA")
    assert how.startswith("CALIBENCH_BUILD=cuda pip install --no-build-isolation -e .  (needs nvcc")
    ((_, why, _),) = missing(monkeypatch, status(cuda_ops=tuple(kernels.OPS)[1:]))
    assert why == "this build has no CUDA kernel for calibration_stats"
    stale = status(error="_ops.so is stale: rebuild it", stale=("nll_curve",), ops=tuple(kernels.OPS)[1:])
    (what, why, how), *_ = missing(monkeypatch, stale)
    assert what == "fused CPU kernels"
    assert "_ops.so is stale: rebuild it" in why
    assert how.startswith("CALIBENCH_BUILD=cpu pip install --no-build-isolation -e .  (needs g++")


def test_a_gpu_that_no_architecture_fits(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla T4")
    for capability, fits in (((7, 5), False), ((8, 0), True), ((8, 9), True), ((9, 0), True), ((12, 0), True)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda capability=capability: capability)
        found = missing(monkeypatch, status())
        assert (found == []) == fits, capability
    assert not diagnosis._fits("120", ["sm_80", "sm_90"])  # no PTX to compile from
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    ((what, why, how),) = missing(monkeypatch, status())
    assert (what, why) == (
        "CUDA kernels for this GPU",
        "Tesla T4 is sm_75, the kernels are for sm_80, sm_90, compute_90",
    )
    assert "CUDA_ARCHITECTURES" in how


def test_an_instruction_set_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CALIBENCH_ISA", "avx512")
    *_, (what, why, how) = missing(monkeypatch, status(cuda_ops=()))
    assert what == "instruction set avx512"
    assert why == "CALIBENCH_ISA=avx512 is not usable here, so avx2 serves"
    assert how == "use one of: avx2, generic"
    monkeypatch.setenv("CALIBENCH_ISA", "avx2")
    assert len(missing(monkeypatch, status(cuda_ops=()))) == 1


def test_a_forced_backend_that_is_missing_is_told_not_raised(monkeypatch):
    monkeypatch.setattr(loader._State, "status", status(ops=(), loaded=False, error="no _ops*.so"))
    monkeypatch.setenv("CALIBENCH_BACKEND", "fused")
    found = SimpleNamespace(**diagnosis.diagnose())
    assert found.cpu.startswith("nobody: CALIBENCH_BACKEND=fused, but")
    assert found.forced == {"CALIBENCH_BACKEND": "fused"}
    assert "InputError: calibration_stats" in found.self_test or "CALIBENCH_BACKEND=fused" in found.self_test
