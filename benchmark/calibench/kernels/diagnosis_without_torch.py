"""The kernels' part of `calibench doctor` where torch is not installed: those of numpy arrays, which judging needs."""

from __future__ import annotations

import importlib
import os
from typing import Any

from calibench.errors import HOW_TO_GET_TORCH, CalibenchError
from calibench.kernels import loader
from calibench.kernels.numpy_operators import numpy_operators, threads
from calibench.kernels.signatures import OPS

NOT_TESTED = "not tested: the reference needs torch"


def diagnose() -> dict[str, Any]:
    """As `calibench.kernels.diagnosis.diagnose`, of the operators for numpy arrays. It tests none of them."""
    operators, build = numpy_operators(), loader.build_info()
    missing = [{"what": "torch", "why": "it is not installed; run, fit and others need it", "how": HOW_TO_GET_TORCH}]
    if operators.error is not None:
        how = loader.build_command("cpu")
        missing.append({"what": "fused CPU kernels for numpy arrays", "why": operators.error, "how": how})
    return {
        "cpu": _served(),
        "cuda": "no torch",
        "ops": [_operator(op, op in operators.functions) for op in OPS],
        "self_test": NOT_TESTED,
        "instruction_set": build and build.get("instruction_set"),
        "instruction_sets": build["instruction_sets_detected"] if build else [],
        "threads": threads(),
        "cuda_architectures": build["cuda_architectures"] if build else [],
        "gpu": None,
        "forced": {key: os.environ[key] for key in ("CALIBENCH_BACKEND", "CALIBENCH_ISA") if os.environ.get(key)},
        "missing": missing,
        "path": None if build is None else importlib.import_module("calibench._C").__file__,
        "error": operators.error,
        "build": build,
    }


def _served() -> str:
    try:
        return loader.numpy_backend()
    except CalibenchError as error:  # CALIBENCH_BACKEND forces a backend that is missing
        return f"nobody: {error.message}"


def _operator(op: str, served: bool) -> dict[str, str | None]:
    cpu = _served() if served else "not compiled"
    return {"op": op, "cpu": cpu, "cuda": "no torch", "self_test_cpu": NOT_TESTED, "self_test_cuda": None}
