"""Peak extra memory of a call: what the process holds at most during it, beyond what it held before.

On a CPU the kernel's own high-water mark of resident memory is read (`VmHWM`, reset through `/proc/self/clear_refs`),
so numpy, C++ and torch all count, and no sample is missed. It is taken in a fresh process, because the allocator of one
that has run others holds memory that a call could use unseen. On CUDA it is torch's own peak of allocated bytes.
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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from calibench.bench.case import OURS, Case, Contender, dtype_name
from calibench.models.vision_import import torchvision_operators

CHILD = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
"""glibc: every block from 64 KiB is mapped for itself and given back when freed, so that none is reused unseen."""

TIMEOUT = 1800.0
"""Seconds for all contenders of a case."""

VM_RSS, VM_HWM = "VmRSS:", "VmHWM:"
_NO_HUGE_PAGES = 41  # PR_SET_THP_DISABLE: a huge page would round a small buffer up to 2 MiB


@dataclass(frozen=True)
class MemoryUse:
    """Bytes beyond what was held before the call; None with a reason where that cannot be told."""

    extra_bytes: int | None
    """Peak during the call, what it returns included."""
    returned_bytes: int | None
    """Tensors and arrays in what the contender returned."""
    reason: str | None = None


def measure(case: Case, contenders: Sequence[Contender]) -> dict[str, MemoryUse]:
    """Peak extra memory of one call of each contender, by name."""
    if case.device.type == "cuda":
        return {contender.name: _on_cuda(case, contender) for contender in contenders}
    with tempfile.TemporaryDirectory(prefix="calibench-bench-") as folder:
        answer = Path(folder) / "memory.jsonl"
        question = {
            "op": case.op.name,
            "shape": case.shape,
            "dtype": dtype_name(case.dtype),
            "names": [c.name for c in contenders],
            "threads": torch.get_num_threads(),
            "answer": str(answer),
        }
        command = [sys.executable, "-m", "calibench.bench.memory", json.dumps(question)]
        why = ""
        try:
            ended = subprocess.run(
                command, env=child_environment(), capture_output=True, text=True, check=False, timeout=TIMEOUT
            )
            why = f"the measuring process ended with {ended.returncode}: {ended.stderr[-300:].strip()}"
        except subprocess.TimeoutExpired:
            why = f"the measuring process took over {TIMEOUT:.0f} s"
        lines = answer.read_text(encoding="utf-8").splitlines() if answer.exists() else []
    found = {}
    for line in lines:  # one a contender, so that those before a crash count
        fields = json.loads(line)
        name = fields.pop("name")
        found[name] = MemoryUse(**fields)
    return {c.name: found.get(c.name, MemoryUse(None, None, " ".join(why.split()))) for c in contenders}


def child_environment() -> dict[str, str]:
    """The environment of a measuring process."""
    return {**os.environ, **CHILD}


def peak_extra(call: Callable[[], Any]) -> MemoryUse:
    """Peak extra memory of one call in this process, exact to `resolution`; it is called once.

    What an earlier call left in the allocator is given back first; blocks under glibc's mmap threshold may yet be reused
    unseen, so set `child_environment()` before the process starts.
    """
    gc.collect()
    with suppress(AttributeError, OSError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = _resident(VM_RSS)
    except OSError as error:
        return MemoryUse(None, None, f"this system does not reset its high-water mark ({error.strerror or error})")
    result = call()
    return MemoryUse(max(0, _resident(VM_HWM) - before), held_by(result))


def resolution(threads: int) -> int:
    """Bytes that a high-water mark may be off: Linux counts pages by processor, and adds them up in batches.

    max(32, 2 x processors) pages for each that the process runs on (`percpu_counter_batch`), before the call and after.
    """
    return 2 * max(32, 2 * (os.cpu_count() or 1)) * mmap.PAGESIZE * threads


def held_by(result: Any) -> int:
    """Bytes of all tensors and arrays in a result: containers and records are walked."""
    if hasattr(result, "nbytes"):  # a tensor or an array
        return int(result.nbytes)
    if isinstance(result, Mapping):
        return sum(map(held_by, result.values()))
    if isinstance(result, list | tuple) or hasattr(result, "_fields"):
        return sum(map(held_by, result))
    return 0


def _resident(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return 1024 * int(line.split()[1])
    raise OSError(f"/proc/self/status has no {field}")


def _on_cuda(case: Case, contender: Contender) -> MemoryUse:
    inputs = case.inputs()
    try:
        _warm(case, contender, inputs)
        torch.cuda.synchronize(case.device)
        torch.cuda.reset_peak_memory_stats(case.device)
        before = torch.cuda.memory_allocated(case.device)
        with torch.no_grad():
            result = contender.run(*inputs)
        torch.cuda.synchronize(case.device)
    except Exception as error:
        return MemoryUse(None, None, f"{type(error).__name__}: {error}"[:300])
    return MemoryUse(torch.cuda.max_memory_allocated(case.device) - before, held_by(result))


def _warm(case: Case, contender: Contender, inputs: tuple[torch.Tensor, ...]) -> None:
    """A small call, so that loading code and starting threads is not counted; a full one where that compiles."""
    small = inputs if contender.compiled else case.inputs(case.warm_shape(contender))
    with torch.no_grad():
        contender.run(*small)


def _child(question: dict[str, Any]) -> None:
    """Measures contenders one after another, and writes one line each."""
    from calibench.bench.ops import OPS

    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_NO_HUGE_PAGES, 1, 0, 0, 0)
    torch.set_num_threads(question["threads"])
    if hasattr(os, "sched_setaffinity"):  # on no more processors than `resolution` reckons with
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: question["threads"]])
    dtype = getattr(torch, question["dtype"])
    case = Case(OPS[question["op"]], tuple(question["shape"]), dtype, torch.device("cpu"))
    inputs = case.inputs()
    inputs[0].sum()  # starts the threads
    wanted = [c for c in case.contenders(peers=True) if c.name in question["names"]]
    # Ours first: nothing that others leave behind is there for it to use.
    for contender in sorted(wanted, key=lambda c: c.name != OURS):
        try:
            _warm(case, contender, inputs)
            with torch.no_grad():
                use = peak_extra(lambda run=contender.run: run(*inputs))  # type: ignore[misc]
        except Exception as error:  # a peer may raise whatever it likes; the timings show it too
            use = MemoryUse(None, None, f"{type(error).__name__}: {' '.join(str(error).split())}"[:300])
        with Path(question["answer"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"name": contender.name, **asdict(use)}) + "\n")


if __name__ == "__main__":
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        torchvision_operators()  # torchmetrics imports torchvision where it finds one
        _child(json.loads(sys.argv[1]))
