"""`calibench doctor` on the kernels: a self-test that notices a wrong one, missing parts, their reasons and remedies."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest
import torch

from calibench import kernels
from calibench.kernels import diagnosis, loader
from calibench.kernels.numpy_operators import NumpyOperators
from calibench.kernels.self_test import PASSED, self_test

pytestmark = pytest.mark.filterwarnings("default::calibench.errors.CalibenchWarning")


@pytest.fixture(autouse=True)
def no_forced_instruction_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole folder may run under CALIBENCH_ISA, which the statuses made up here do not have."""
    monkeypatch.delenv("CALIBENCH_ISA", raising=False)


@pytest.mark.slow
@pytest.mark.parametrize("op", kernels.OPS)
def test_the_self_test_notices_a_wrong_kernel(op, monkeypatch):
    """One figure of one call is wrong by a part in 10^5; every other operator still passes."""
    if op == "calibration_update":
        right = kernels.CalibrationAccumulator.compute
        monkeypatch.setattr(kernels.CalibrationAccumulator, "compute", lambda self: slightly_wrong(right(self)))
    elif op == "calibration_stats":
        right = kernels.calibration_stats

        def with_wrong_stats(*arguments, **options):
            stats, samples = right(*arguments, **options)
            return slightly_wrong(stats), samples

        monkeypatch.setattr(kernels, op, with_wrong_stats)
    else:
        right = getattr(kernels, op)
        monkeypatch.setattr(kernels, op, lambda *a, **k: slightly_wrong(right(*a, **k)))
    results = self_test()
    assert "differs" in results[op]
    assert "float64 [300, 3]" in results[op]
    assert {name for name, result in results.items() if result != PASSED} == {op}


def slightly_wrong(result):
    """The same result, but for its last field that holds fractions, or its last field if none does."""
    fields = [field.clone() for field in result]
    fractions = [i for i, field in enumerate(fields) if field.is_floating_point() and (field % 1).any()]
    if fractions:
        fields[fractions[-1]] *= 1 + 1e-5
    else:
        fields[-1].view(-1)[0] += 1
    return type(result)(*fields)


def status(**changes):
    """An extension that is complete but for `changes`."""
    build = {
        "instruction_set": "avx2",
        "instruction_sets_compiled": ["avx512", "avx2", "generic"],
        "instruction_sets_detected": ["avx2", "generic"],
        "cuda_architectures": ["sm_80", "sm_90", "compute_90"],
        "cuda_version": "13.0",
    }
    complete = loader.ExtensionStatus(True, "_ops.so", None, build, tuple(kernels.OPS), tuple(kernels.OPS))
    return dataclasses.replace(complete, **changes)


def missing(monkeypatch, extension, numpy_error=None):
    """The missing parts of this extension, each as `(what, why, how to get it)`."""
    monkeypatch.delenv("CALIBENCH_BACKEND", raising=False)
    monkeypatch.setattr(loader._State, "status", extension)
    monkeypatch.setattr(diagnosis, "numpy_operators", lambda: NumpyOperators({}, numpy_error))
    return diagnosis._missing(extension)


def test_a_missing_gpu_has_a_reason_and_a_remedy(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    ((what, why, how),) = missing(monkeypatch, status())
    assert what == "GPU for the CUDA kernels"
    assert "is built without CUDA" in why
    assert how.startswith('pip install "torch>=2.10,<2.14" in its CUDA build (cu130)')
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    ((_, why, how),) = missing(monkeypatch, status())
    assert (why, how) == ("torch sees no GPU", "check nvidia-smi and CUDA_VISIBLE_DEVICES")


def test_missing_kernels_have_a_reason_and_a_command(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
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


def test_kernels_that_numpy_alone_lacks(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (what, why, how), *_ = missing(monkeypatch, status(), "calibench._C is stale: rebuild it")
    assert (what, why) == ("fused CPU kernels for numpy arrays", "calibench._C is stale: rebuild it")
    assert how.startswith("CALIBENCH_BUILD=cpu pip install --no-build-isolation -e .  (needs g++")
    nothing = missing(monkeypatch, status(ops=(), loaded=False, error="no _ops*.so"), "calibench._C does not load")
    assert [what for what, *_ in nothing if "CPU" in what] == ["fused CPU kernels"]


def test_a_gpu_that_no_architecture_fits(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla T4")
    for capability, fits in (((7, 5), False), ((8, 0), True), ((8, 9), True), ((9, 0), True), ((12, 0), True)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda capability=capability: capability)
        assert (missing(monkeypatch, status()) == []) == fits, capability
    assert not diagnosis._fits("120", ["sm_80", "sm_90"])  # no PTX to compile from
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    ((what, why, how),) = missing(monkeypatch, status())
    assert what == "CUDA kernels for this GPU"
    assert why == "Tesla T4 is sm_75, the kernels are for sm_80, sm_90, compute_90"
    assert "CUDA_ARCHITECTURES" in how


def test_a_forced_instruction_set_that_the_processor_lacks(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CALIBENCH_ISA", "avx512")
    *_, (what, why, how) = missing(monkeypatch, status(cuda_ops=()))
    assert what == "instruction set avx512"
    assert why == "CALIBENCH_ISA=avx512 is not usable here, so avx2 serves"
    assert how == "use one of: avx2, generic"
    monkeypatch.setenv("CALIBENCH_ISA", "avx2")
    assert len(missing(monkeypatch, status(cuda_ops=()))) == 1


def test_a_forced_backend_that_is_missing_is_reported_and_not_raised(monkeypatch):
    monkeypatch.setattr(loader._State, "status", status(ops=(), loaded=False, error="no _ops*.so"))
    monkeypatch.setenv("CALIBENCH_BACKEND", "fused")
    facts = SimpleNamespace(**diagnosis.diagnose())
    assert facts.cpu.startswith("nobody: CALIBENCH_BACKEND=fused, but")
    assert facts.forced == {"CALIBENCH_BACKEND": "fused"}
    assert "InputError: calibration_stats" in facts.self_test or "CALIBENCH_BACKEND=fused" in facts.self_test
