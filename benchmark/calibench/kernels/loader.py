"""Loads the compiled operators once, chooses the backend, and explains missing kernels and their remedy."""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict, cast

import numpy.typing as npt

from calibench.errors import CalibenchWarning, InputError, did_you_mean
from calibench.kernels.arrays import is_numpy
from calibench.kernels.numpy_operators import numpy_operators
from calibench.kernels.signatures import JUDGING_OPS, OPS, registered_signature
from calibench.lazy import torch

Backend = Literal["fused-cpu", "fused-cuda", "reference"]

HOW_TO_BUILD = "CALIBENCH_BUILD={} pip install --no-build-isolation -e ."

_PACKAGE = Path(__file__).resolve().parent.parent
_LOCK = threading.Lock()


class BuildInfo(TypedDict):
    """The build of the extension: `calibench._C.build_info()`."""

    compiler: str
    compiler_version: str
    flags: list[str]
    instruction_set: NotRequired[str]
    """The one in use: the best that is compiled and detected, or the one that CALIBENCH_ISA names."""
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
    """State of the compiled kernels, as `calibench doctor` shows it; `error` says in one line why some or all do not serve."""

    loaded: bool
    path: str | None
    error: str | None
    build: BuildInfo | None
    ops: tuple[str, ...]
    """Operators with a CPU kernel."""
    cuda_ops: tuple[str, ...]
    """Operators with a CUDA kernel."""
    stale: tuple[str, ...] = field(default=())
    """Operators that the loaded file lacks or has with other arguments, because it was built from another calibench."""
    judging_ops: tuple[str, ...] = field(default=())
    """Operators of judging with a CPU kernel."""
    cuda_judging_ops: tuple[str, ...] = field(default=())
    """Operators of judging with a CUDA kernel."""

    @property
    def instruction_set(self) -> str | None:
        """The instruction set of the CPU kernels: avx512, avx2, neon or generic."""
        return None if self.build is None else self.build.get("instruction_set")

    @property
    def instruction_sets(self) -> tuple[str, ...]:
        """Instruction sets that the CPU kernels can use here: compiled, and offered by the processor."""
        if self.build is None:
            return ()
        detected = self.build["instruction_sets_detected"]
        return tuple(name for name in self.build["instruction_sets_compiled"] if name in detected or name == "generic")


class _State:
    """State of the process: it loads the extension once and warns the user once."""

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
    """State of the extension. The first call loads it. Never raises."""
    if _State.status is None:
        with contextlib.suppress(ImportError):
            importlib.import_module(
                "torch"
            )  # before the lock is held: at the end of its import it asks for this status
        with _LOCK:
            if _State.status is None:
                _State.status = _load()
    return _State.status


def backend(device: str | torch.device = "cpu", op: str | None = None) -> Backend:
    """The backend that serves tensors on `device`: a fused kernel if it is loaded, else the float64 reference.

    Of one operator, or of all (`op` None): fused only if every operator is. CALIBENCH_BACKEND is auto (default), or forces
    fused or reference. InputError if fused is forced and missing.
    """
    mode = _mode()
    if mode == "reference":
        return "reference"
    kind = torch.device(device).type
    if kind in {"cpu", "cuda"} and available(kind, op):
        return "fused-cpu" if kind == "cpu" else "fused-cuda"
    if mode == "fused":
        raise InputError(
            f"CALIBENCH_BACKEND=fused, but {missing_kernel_reason(kind, op)}", f"build them: {build_command(kind)}"
        )
    return "reference"


def numpy_backend() -> Backend:
    """The backend that serves numpy arrays, as `backend` says it of tensors. It imports no torch."""
    mode = _mode()
    if mode == "reference":
        return "reference"
    error = numpy_operators().error
    if error is None:
        return "fused-cpu"
    if mode == "fused":
        raise InputError(f"CALIBENCH_BACKEND=fused, but {_no_numpy(error)}", f"build them: {build_command('cpu')}")
    return "reference"


def _no_numpy(error: str | None) -> str:
    return f"the kernels for numpy arrays are not available ({error})"


def _mode() -> str:
    mode = os.environ.get("CALIBENCH_BACKEND") or "auto"
    if mode not in {"auto", "fused", "reference"}:
        hint = did_you_mean(mode, ("auto", "fused", "reference"))
        raise InputError(f"CALIBENCH_BACKEND={mode} is not a backend", hint)
    return mode


def available(kind: str, op: str | None = None) -> bool:
    """True if a kernel for `op` (None: for every operator) on devices of this kind (`cpu`, `cuda`) is loaded."""
    status = extension_status()
    if op in JUDGING_OPS:
        judging = {"cpu": status.judging_ops, "cuda": status.cuda_judging_ops}
        return op in judging.get(kind, ())
    ops = status.ops if kind == "cpu" else status.cuda_ops if kind == "cuda" else ()
    return len(ops) == len(OPS) if op is None else op in ops


def fused(array: torch.Tensor | npt.NDArray[Any], op: str) -> bool:
    """True if a fused kernel serves `op` for this array, a tensor or a numpy array.

    Warns once per process (CalibenchWarning) when the reference takes over and CALIBENCH_BACKEND does not force it. While
    torch traces (torch.compile, torch.export) CALIBENCH_BACKEND is not read: a loaded kernel serves.
    """
    if is_numpy(array):
        return _fused_numpy(op)
    device = array.device
    if torch.compiler.is_compiling():
        if torch.compiler.is_exporting() and not available(device.type, op):
            how = build_command(device.type)
            raise RuntimeError(
                f"calibench: {missing_kernel_reason(device.type, op)}; torch.export needs them. To build them: {how}"
            )
        return available(device.type, op)
    if backend(device, op) != "reference":
        return True
    if not _State.warned and os.environ.get("CALIBENCH_BACKEND") != "reference":
        _warn_once(missing_kernel_reason(device.type, op), build_command(device.type))
    return False


def _fused_numpy(op: str) -> bool:
    """`fused` for numpy arrays. It imports no torch."""
    mode = _mode()
    if mode == "reference":
        return False
    operators = numpy_operators()
    if op in operators.functions:
        return True
    reason = _no_numpy(operators.error)
    if mode == "fused":
        raise InputError(f"CALIBENCH_BACKEND=fused, but {reason}", f"build them: {build_command('cpu')}")
    if not _State.warned:
        _warn_once(reason, build_command("cpu"))
    return False


def numpy_operator(op: str) -> Callable[..., Any]:
    """The compiled function of numpy arrays, which `fused` has found."""
    return numpy_operators().functions[op]


def _warn_once(reason: str, how: str) -> None:
    _State.warned = True
    message = f"{reason}; the slower float64 reference takes over. To build them: {how}"
    warnings.warn(message, CalibenchWarning, stacklevel=5)


def missing_kernel_reason(kind: str, op: str | None = None) -> str:
    """The reason that no fused kernel serves `op` (None: all of them) on this kind of device."""
    status = extension_status()
    if kind not in {"cpu", "cuda"}:
        return f"there are no fused kernels for {kind} tensors"
    if not status.loaded or (status.stale if op is None else op in status.stale):
        return f"the fused kernels are not available ({status.error})"
    if kind == "cuda" and not status.cuda_ops:
        return "the fused kernels were built without CUDA"
    return f"{op or 'some operator'} has no {kind} kernel in this build"


def build_command(kind: str) -> str:
    """The command that builds the kernels for `cpu` or `cuda`."""
    return HOW_TO_BUILD.format("cuda" if kind == "cuda" else "cpu")


def _load() -> ExtensionStatus:
    paths = [_PACKAGE / f"_ops{suffix}" for suffix in EXTENSION_SUFFIXES]
    path = next((path for path in paths if path.exists()), None)
    if path is None:
        return _not_loaded(None, f"no _ops*.so in {_PACKAGE}")
    try:
        torch.ops.load_library(path)
        judging = tuple(op for op, signature in JUDGING_OPS.items() if registered_signature(op) == signature)
        current = tuple(op for op, signature in OPS.items() if registered_signature(op) == signature)
        from calibench.kernels import fakes, gradients

        fakes.register(current)
        gradients.register(current)
    except (
        OSError,
        RuntimeError,
        AttributeError,
        ImportError,
    ) as error:  # a .so of another platform, or of another torch
        return _not_loaded(path, f"{path.name} does not load: {' '.join(str(error).split())}")
    stale = tuple(op for op in (*OPS, *JUDGING_OPS) if op not in (*current, *judging))
    problem = None
    if stale:
        problem = f"{path.name} is stale: rebuild it; it was built from another calibench and lacks {', '.join(stale)}"
    cpu, cuda, *of_judging = (_ops_with_kernel(ops, key) for ops in (current, judging) for key in ("CPU", "CUDA"))
    return ExtensionStatus(True, str(path), problem, build_info(), cpu, cuda, stale, *of_judging)


def _not_loaded(path: Path | None, error: str) -> ExtensionStatus:
    return ExtensionStatus(False, None if path is None else str(path), error, build_info(), (), ())


def _ops_with_kernel(ops: tuple[str, ...], key: str) -> tuple[str, ...]:
    """The operators in `ops` that have a kernel for a dispatch key of torch."""
    has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key
    return tuple(op for op in ops if has_kernel(f"calibench::{op}", key))
