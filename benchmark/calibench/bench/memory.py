"""Peak extra memory of a call: the most that the process holds during the call, less the amount before it.

On a CPU this is the system's high-water mark of resident memory (`VmHWM`, reset through `/proc/self/clear_refs`): numpy, C++
and torch all count, and no moment is missed. A fresh process measures, because the allocator of a process that has run other
calls holds memory that a call could reuse unseen. On CUDA it is torch's own peak of allocated bytes.
"""

from __future__ import annotations

import ctypes
import gc
import json
import mmap
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import torch

from calibench.bench.case import OURS, Case, Contender
from calibench.kernels import set_threads
from calibench.kernels.checks import dtype_name
from calibench.models.vision_import import torchvision_operators

MALLOC_SETTINGS = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
"""For glibc: every block from 64 KiB has a mapping of its own and is given back when freed, so no block is reused unseen."""

TIMEOUT = 1800.0
"""Seconds for all contenders of a case."""

_NO_HUGE_PAGES = 41  # PR_SET_THP_DISABLE: a huge page would round a small buffer up to 2 MiB


@dataclass(frozen=True)
class MemoryUse:
    """Bytes beyond those held before the call; None with a reason if they cannot be measured."""

    extra_bytes: int | None
    """Peak during the call, its result included."""
    returned_bytes: int | None
    """Tensors and arrays in the result."""
    reason: str | None = None


def measure(case: Case, contenders: Sequence[Contender]) -> dict[str, MemoryUse]:
    """Peak extra memory of one call of each contender, by name."""
    if case.device.type == "cuda":
        return {contender.name: _on_cuda(case, contender) for contender in contenders}
    with tempfile.TemporaryDirectory(prefix="calibench-bench-") as folder:
        path = Path(folder) / "memory.jsonl"
        failure = _run_child(case, contenders, path)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    uses = {}
    for line in lines:  # one line per contender, so that those before a crash are kept
        fields = json.loads(line)
        name = fields.pop("name")
        uses[name] = MemoryUse(**fields)
    return {c.name: uses.get(c.name, MemoryUse(None, None, failure)) for c in contenders}


def _run_child(case: Case, contenders: Sequence[Contender], path: Path) -> str:
    """Measures in a fresh process, which writes to `path`; returns how that process ended."""
    request = {
        "op": case.op.name,
        "shape": case.shape,
        "dtype": dtype_name(case.dtype),
        "names": [c.name for c in contenders],
        "threads": torch.get_num_threads(),
        "path": str(path),
    }
    command = [sys.executable, "-P", "-m", "calibench.bench.memory", json.dumps(request)]
    environment = child_environment()
    try:
        process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return f"the measuring process took over {TIMEOUT:.0f} s"
    end = f"the measuring process ended with {process.returncode}: {process.stderr[-300:]}"
    return " ".join(end.split())


def child_environment() -> dict[str, str]:
    """The environment of a measuring process."""
    return {**os.environ, **MALLOC_SETTINGS}


def peak_extra(call: Callable[[], Any]) -> MemoryUse:
    """Peak extra memory of one call in this process, exact to `resolution`. Calls once.

    It first gives back memory that earlier calls left in the allocator. Blocks below glibc's mmap threshold may still be reused
    unseen, so start the process with `child_environment()`.
    """
    gc.collect()
    with suppress(AttributeError, OSError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = _resident("VmRSS:")
    except OSError as error:
        return MemoryUse(None, None, f"this system does not reset its high-water mark ({error.strerror or error})")
    result = call()
    return MemoryUse(max(0, _resident("VmHWM:") - before), bytes_in(result))


def resolution(threads: int) -> int:
    """Largest error of a high-water mark in bytes: Linux counts pages per processor, and adds them up in batches.

    A batch is max(32, 2 x processors) pages (`percpu_counter_batch`), for each processor in use, before the call and after.
    """
    return 2 * max(32, 2 * (os.cpu_count() or 1)) * mmap.PAGESIZE * threads


def bytes_in(result: Any) -> int:
    """Bytes of all tensors and arrays in a result; containers and records are walked."""
    if hasattr(result, "nbytes"):  # a tensor or an array
        return int(result.nbytes)
    if isinstance(result, Mapping):
        return sum(map(bytes_in, result.values()))
    if is_dataclass(result):
        return sum(map(bytes_in, vars(result).values()))
    if isinstance(result, list | tuple) or hasattr(result, "_fields"):
        return sum(map(bytes_in, result))
    return 0


def _resident(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return 1024 * int(line.split()[1])
    raise OSError(f"/proc/self/status has no {field}")


def _on_cuda(case: Case, contender: Contender) -> MemoryUse:
    inputs = case.inputs()
    try:
        _warm_up(case, contender, inputs)
        torch.cuda.synchronize(case.device)
        torch.cuda.reset_peak_memory_stats(case.device)
        before = torch.cuda.memory_allocated(case.device)
        with torch.no_grad():
            result = contender.run(*inputs)
        torch.cuda.synchronize(case.device)
    except Exception as error:
        return MemoryUse(None, None, f"{type(error).__name__}: {error}"[:300])
    return MemoryUse(torch.cuda.max_memory_allocated(case.device) - before, bytes_in(result))


def _warm_up(case: Case, contender: Contender, inputs: tuple[torch.Tensor, ...]) -> None:
    """A small call, so that loaded code and started threads do not count; a full call if it compiles."""
    small = inputs if contender.compiled else case.inputs(case.warm_shape(contender))
    with torch.no_grad():
        contender.run(*small)


def _child(request: dict[str, Any]) -> None:
    """Measures the contenders one after another and appends a line for each."""
    from calibench.bench.ops import JUDGE, OPS

    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_NO_HUGE_PAGES, 1, 0, 0, 0)
    set_threads(request["threads"])
    if hasattr(os, "sched_setaffinity"):  # as many processors as `resolution` assumes
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: request["threads"]])
    dtype = getattr(torch, request["dtype"])
    case = Case((OPS | JUDGE)[request["op"]], tuple(request["shape"]), dtype, torch.device("cpu"))
    inputs = case.inputs()
    inputs[0].sum()  # starts the threads
    contenders = [c for c in case.contenders(peers=True) if c.name in request["names"]]
    # Ours comes first, so that it cannot use memory that another contender left behind.
    for contender in sorted(contenders, key=lambda c: c.name != OURS):
        use = _use_of(case, contender, inputs)
        with Path(request["path"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"name": contender.name, **asdict(use)}) + "\n")


def _use_of(case: Case, contender: Contender, inputs: tuple[torch.Tensor, ...]) -> MemoryUse:
    try:
        _warm_up(case, contender, inputs)
        with torch.no_grad():
            return peak_extra(lambda: contender.run(*inputs))
    except Exception as error:  # a peer may raise any error; the timings report it too
        return MemoryUse(None, None, f"{type(error).__name__}: {' '.join(str(error).split())}"[:300])


if __name__ == "__main__":
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        torchvision_operators()  # torchmetrics imports torchvision if it is installed
        _child(json.loads(sys.argv[1]))
