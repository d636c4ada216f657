"""Finds and loads the compiled operators once, says what is missing and how to get it, and picks the backend."""

from __future__ import annotations

import importlib
import os
import threading
import warnings
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Literal, TypedDict, cast

import torch

from calibench.errors import CalibenchWarning, InputError, did_you_mean

Backend = Literal["fused-cpu", "fused-cuda", "reference"]

OPS = ("calibration_stats",)
"""Operators that a complete extension registers under `torch.ops.calibench`."""

HOW_TO_BUILD = "CALIBENCH_BUILD={} pip install --no-build-isolation -e ."

_PACKAGE = Path(__file__).resolve().parent.parent
_LOCK = threading.Lock()


class BuildInfo(TypedDict):
    """How the extension was compiled: `calibench._C.build_info()`."""

    compiler: str
    compiler_version: str
    flags: list[str]
    instruction_sets_compiled: list[str]
    instruction_sets_detected: list[str]
    cuda: bool
    cuda_architectures: list[str]
    cuda_version: str
    abi_target: str
    build_mode: str
    calibench_version: str


@dataclass(frozen=True)
class ExtensionStatus:
    """What `calibench doctor` shows of the compiled kernels; `error` says in one line why they are not loaded."""

    loaded: bool
    path: str | None
    error: str | None
    build: BuildInfo | None
    ops: tuple[str, ...]
    cuda_ops: tuple[str, ...]


class _State:
    """Per process: the extension is tried once, and the user is warned once."""

    status: ExtensionStatus | None = None
    warned: bool = False


def build_info() -> BuildInfo | None:
    """Compiler, flags, instruction sets, CUDA, ABI target and build mode of the extension; None without one."""
    try:
        module = importlib.import_module("calibench._C")
    except ImportError:
        return None
    return cast("BuildInfo", module.build_info())


def extension_status() -> ExtensionStatus:
    """Loads the extension if that was not tried yet, and says what came of it; never raises."""
    with _LOCK:
        if _State.status is None:
            _State.status = _load()
        return _State.status


def backend(device: str | torch.device = "cpu") -> Backend:
    """Who serves tensors on `device`: a fused kernel if it is compiled and loads, else the float64 reference.

    CALIBENCH_BACKEND=auto (default), fused or reference forces one. InputError if fused is forced and missing.
    """
    mode = os.environ.get("CALIBENCH_BACKEND") or "auto"
    if mode not in {"auto", "fused", "reference"}:
        hint = did_you_mean(mode, ("auto", "fused", "reference"))
        raise InputError(f"CALIBENCH_BACKEND={mode} is not a backend", hint)
    if mode == "reference":
        return "reference"
    kind = torch.device(device).type
    status = extension_status()
    if kind == "cpu" and status.ops:
        return "fused-cpu"
    if kind == "cuda" and status.cuda_ops:
        return "fused-cuda"
    if mode == "fused":
        raise InputError(f"CALIBENCH_BACKEND=fused, but {_why(kind, status)}", f"build them: {_how(kind)}")
    return "reference"


def serve(device: torch.device) -> Backend:
    """`backend(device)`, with one CalibenchWarning a process when the reference steps in unasked."""
    chosen = backend(device)
    asked = os.environ.get("CALIBENCH_BACKEND") == "reference"
    if chosen == "reference" and not asked and not _State.warned:
        _State.warned = True
        why = _why(device.type, extension_status())
        message = f"{why}; the slower float64 reference takes over. To build them: {_how(device.type)}"
        warnings.warn(message, CalibenchWarning, stacklevel=4)
    return chosen


def _why(kind: str, status: ExtensionStatus) -> str:
    if kind not in {"cpu", "cuda"}:
        return f"there are no fused kernels for {kind} tensors"
    if status.loaded and kind == "cuda":
        return "the fused kernels were built without CUDA"
    return f"the fused kernels are not available ({status.error})"


def _how(kind: str) -> str:
    return HOW_TO_BUILD.format("cuda" if kind == "cuda" else "cpu")


def _load() -> ExtensionStatus:
    path = next((p for suffix in EXTENSION_SUFFIXES if (p := _PACKAGE / f"_ops{suffix}").exists()), None)
    if path is None:
        return _missing(None, f"no _ops*.so in {_PACKAGE}")
    try:
        torch.ops.load_library(path)
        from calibench.kernels import fakes

        fakes.register()
    except (OSError, RuntimeError, AttributeError) as error:  # a .so of another platform, or of an older calibench
        return _missing(path, f"{path.name} does not load: {' '.join(str(error).split())}")
    return ExtensionStatus(True, str(path), None, build_info(), _registered("CPU"), _registered("CUDA"))


def _missing(path: Path | None, error: str) -> ExtensionStatus:
    return ExtensionStatus(False, None if path is None else str(path), error, build_info(), (), ())


def _registered(key: str) -> tuple[str, ...]:
    has = torch._C._dispatch_has_kernel_for_dispatch_key
    return tuple(op for op in OPS if has(f"calibench::{op}", key))
