"""The kernels' part of `calibench doctor`: the backend of each operator, and missing parts with their reason and remedy."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import torch

from calibench.errors import CalibenchError
from calibench.kernels import loader
from calibench.kernels.numpy_operators import numpy_operators
from calibench.kernels.self_test import PASSED, self_test
from calibench.kernels.signatures import OPS

NEEDS_CPU = "needs g++ or clang++, ninja and pybind11: pip install ninja pybind11"
NEEDS_CUDA = "needs nvcc of CUDA 12 or 13 on the PATH or in CUDA_HOME, and the same as for the CPU"


class Missing(NamedTuple):
    """Something that this installation lacks."""

    what: str
    why: str
    how: str
    """The remedy."""


def diagnose() -> dict[str, Any]:
    """Everything about the kernels as one JSON object; tests every operator on the CPU, and on a GPU if there is one."""
    status = loader.extension_status()
    gpu = torch.cuda.is_available()
    tests = {"cpu": self_test("cpu"), "cuda": self_test("cuda") if gpu else {}}
    failures = [f"{op} on {kind}: {text}" for kind in tests for op, text in tests[kind].items() if text != PASSED]
    return {
        "cpu": _served("cpu"),
        "cuda": _served("cuda") if gpu else "no CUDA device",
        "ops": [_operator(op, tests, gpu) for op in OPS],
        "self_test": "; ".join(failures) or PASSED,
        "instruction_set": status.instruction_set,
        "instruction_sets": list(status.instruction_sets),
        "threads": torch.get_num_threads(),
        "cuda_architectures": status.build["cuda_architectures"] if status.build else [],
        "gpu": _gpu() if gpu else None,
        "forced": {key: os.environ[key] for key in ("CALIBENCH_BACKEND", "CALIBENCH_ISA") if os.environ.get(key)},
        "missing": [item._asdict() for item in _missing(status)],
        "path": status.path,
        "error": status.error,
        "build": status.build,
    }


def _operator(op: str, tests: dict[str, dict[str, str]], gpu: bool) -> dict[str, str | None]:
    compiled = op in loader.extension_status().cuda_ops
    without = "compiled, no GPU here" if compiled else "not compiled"
    return {
        "op": op,
        "cpu": _served("cpu", op),
        "cuda": _served("cuda", op) if gpu else without,
        "self_test_cpu": tests["cpu"][op],
        "self_test_cuda": tests["cuda"].get(op),
    }


def _served(kind: str, op: str | None = None) -> str:
    try:
        return loader.backend(kind, op)
    except CalibenchError as error:  # CALIBENCH_BACKEND forces a backend that is missing
        return f"nobody: {error.message}"


def _missing(status: loader.ExtensionStatus) -> list[Missing]:
    items = (_missing_cpu(), _missing_numpy(), _missing_cuda(status), _ignored_instruction_set(status))
    return [item for item in items if item is not None]


def _missing_cpu() -> Missing | None:
    if loader.available("cpu"):
        return None
    return Missing(
        "fused CPU kernels", loader.missing_kernel_reason("cpu"), f"{loader.build_command('cpu')}  ({NEEDS_CPU})"
    )


def _missing_numpy() -> Missing | None:
    """The kernels for numpy arrays, if they alone are missing: the remedy of the others brings these too."""
    error = numpy_operators().error
    if error is None or not loader.available("cpu"):
        return None
    return Missing("fused CPU kernels for numpy arrays", error, f"{loader.build_command('cpu')}  ({NEEDS_CPU})")


def _missing_cuda(status: loader.ExtensionStatus) -> Missing | None:
    """The first reason why no CUDA kernel serves here: not compiled, no GPU, or not for this GPU."""
    if status.loaded and not status.stale and not loader.available("cuda"):
        ops = [op for op in OPS if op not in status.cuda_ops]
        why = (
            f"this build has no CUDA kernel for {', '.join(ops)}"
            if status.cuda_ops
            else loader.missing_kernel_reason("cuda")
        )
        return Missing("fused CUDA kernels", why, f"{loader.build_command('cuda')}  ({NEEDS_CUDA})")
    if torch.cuda.is_available():
        return _unsupported_gpu(status.build)
    return _missing_gpu(status.build) if status.cuda_ops else None


def _missing_gpu(build: loader.BuildInfo | None) -> Missing:
    gpu = "GPU for the CUDA kernels"
    if torch.version.cuda is not None:
        return Missing(gpu, "torch sees no GPU", "check nvidia-smi and CUDA_VISIBLE_DEVICES")
    wheel = "cu" + (build["cuda_version"].replace(".", "") if build else "130")
    how = f'pip install "torch>=2.10,<2.14" in its CUDA build ({wheel}): pytorch.org gives the command for your machine'
    return Missing(gpu, f"this torch ({torch.__version__}) is built without CUDA", how)


def _unsupported_gpu(build: loader.BuildInfo | None) -> Missing | None:
    if build is None:
        return None
    gpu = _gpu()
    if _fits(gpu["capability"], build["cuda_architectures"]):
        return None
    why = f"{gpu['name']} is sm_{gpu['capability']}, the kernels are for {', '.join(build['cuda_architectures'])}"
    how = "add its architecture to CUDA_ARCHITECTURES in setup.py and build"
    return Missing("CUDA kernels for this GPU", why, how)


def _ignored_instruction_set(status: loader.ExtensionStatus) -> Missing | None:
    forced = os.environ.get("CALIBENCH_ISA")
    if not forced or status.instruction_set in {None, forced}:
        return None
    why = f"CALIBENCH_ISA={forced} is not usable here, so {status.instruction_set} serves"
    return Missing(f"instruction set {forced}", why, f"use one of: {', '.join(status.instruction_sets)}")


def _gpu() -> dict[str, str]:
    major, minor = torch.cuda.get_device_capability()
    return {"name": torch.cuda.get_device_name(), "capability": f"{major}{minor}"}


def _fits(capability: str, architectures: list[str]) -> bool:
    """True if code for one of them runs: sm_XY on X.Y and later of the same X, PTX (compute_XY) on everything later."""
    available = int(capability)
    for architecture in architectures:
        kind, _, number = architecture.partition("_")
        if int(number) <= available and (kind == "compute" or int(number) // 10 == available // 10):
            return True
    return False
