"""What `calibench doctor` says of the kernels: who serves each operator, what is missing, why, and how to get it."""

from __future__ import annotations

import os
from typing import Any

import torch

from calibench.errors import CalibenchError
from calibench.kernels import loader
from calibench.kernels.self_test import PASSED, self_test
from calibench.kernels.signatures import OPS

NEEDS_CPU = "needs g++ or clang++, ninja and pybind11: pip install ninja pybind11"
NEEDS_CUDA = "needs nvcc of CUDA 12 or 13 on the PATH or in CUDA_HOME, and the same as for the CPU"


def diagnose() -> dict[str, Any]:
    """Everything about the kernels as one JSON object; tests every operator on the CPU, and on a GPU if there is one."""
    status = loader.extension_status()
    gpu = torch.cuda.is_available()
    tests = {"cpu": self_test("cpu"), "cuda": self_test("cuda") if gpu else {}}
    failed = [f"{op} on {kind}: {said}" for kind in tests for op, said in tests[kind].items() if said != PASSED]
    return {
        "cpu": _served("cpu"),
        "cuda": _served("cuda") if gpu else "no CUDA device",
        "ops": [_operator(op, tests, gpu) for op in OPS],
        "self_test": "; ".join(failed) or PASSED,
        "instruction_set": status.instruction_set,
        "instruction_sets": list(status.instruction_sets),
        "threads": torch.get_num_threads(),
        "cuda_architectures": status.build["cuda_architectures"] if status.build else [],
        "gpu": _gpu() if gpu else None,
        "forced": {key: os.environ[key] for key in ("CALIBENCH_BACKEND", "CALIBENCH_ISA") if os.environ.get(key)},
        "missing": [{"what": what, "why": why, "how": how} for what, why, how in _missing(status)],
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
    except CalibenchError as error:  # CALIBENCH_BACKEND asks for what there is not
        return f"nobody: {error.message}"


def _missing(status: loader.ExtensionStatus) -> list[tuple[str, str, str]]:
    found = []
    if not loader.available("cpu"):
        found.append(("fused CPU kernels", loader.why_not("cpu"), f"{loader.how_to_build('cpu')}  ({NEEDS_CPU})"))
    if status.loaded and not status.stale and not loader.available("cuda"):
        without = [op for op in OPS if op not in status.cuda_ops]
        why = (
            loader.why_not("cuda") if not status.cuda_ops else f"this build has no CUDA kernel for {', '.join(without)}"
        )
        found.append(("fused CUDA kernels", why, f"{loader.how_to_build('cuda')}  ({NEEDS_CUDA})"))
    elif status.cuda_ops and not torch.cuda.is_available():
        version = torch.version.cuda
        why, how = "torch sees no GPU", "check nvidia-smi and CUDA_VISIBLE_DEVICES"
        if version is None:
            wheel = "cu" + (status.build["cuda_version"].replace(".", "") if status.build else "130")
            why = f"this torch ({torch.__version__}) is built without CUDA"
            how = f'pip install "torch>=2.10,<2.14" in its CUDA build ({wheel}): pytorch.org gives the command for your machine'
        found.append(("GPU for the CUDA kernels", why, how))
    elif (
        torch.cuda.is_available()
        and status.build
        and not _fits(_gpu()["capability"], status.build["cuda_architectures"])
    ):
        gpu = _gpu()
        why = f"{gpu['name']} is sm_{gpu['capability']}, the kernels are for {', '.join(status.build['cuda_architectures'])}"
        found.append(
            ("CUDA kernels for this GPU", why, "add its architecture to CUDA_ARCHITECTURES in setup.py and build")
        )
    asked = os.environ.get("CALIBENCH_ISA")
    if asked and status.instruction_set not in {None, asked}:
        usable = ", ".join(status.instruction_sets)
        why = f"CALIBENCH_ISA={asked} is not usable here, so {status.instruction_set} serves"
        found.append((f"instruction set {asked}", why, f"use one of: {usable}"))
    return found


def _gpu() -> dict[str, str]:
    major, minor = torch.cuda.get_device_capability()
    return {"name": torch.cuda.get_device_name(), "capability": f"{major}{minor}"}


def _fits(capability: str, architectures: list[str]) -> bool:
    """Whether code for one of them runs: sm_XY on X.Y and later of the same X, PTX (compute_XY) on everything later."""
    own = int(capability)
    for architecture in architectures:
        kind, _, number = architecture.partition("_")
        if int(number) <= own and (kind == "compute" or int(number) // 10 == own // 10):
            return True
    return False
