"""Counted costs: what does not depend on the machine's load, held to the budgets in `budgets.json`.

calls        operators that torch dispatches in one call (aten's and ours; TorchDispatchMode), views included
passes       reads of the logits: dispatched operators, views and allocations apart, that are given a tensor of as many numbers,
             and numpy functions that are given an array made of one; a fused operator is one pass
torch_bytes  what torch's CPU allocator hands out in one call, freed or not (the profiler's memory events)
peak_bytes   most bytes that the process holds on its heap at once in one call, beyond before: tensors, arrays, and the vectors
             inside the kernels alike (heap.c, a malloc that keeps account; Linux with glibc)
modules      Python modules that a command imports; `ours` those of calibench

Each is measured on a second call, when caches and lazy imports are behind, and on one thread. Counts are exact; `peak_bytes` may
exceed its budget by 2 % and 4 KiB, and `modules` by 5 %, since they also hold what Python itself and other packages do.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from reads import Reads

os.environ.setdefault("KINETO_LOG_LEVEL", "99")

ROOT = Path(__file__).resolve().parent.parent.parent
BUDGETS = Path(__file__).with_name("budgets.json")
SLACK = {"peak_bytes": (0.02, 4096), "modules": (0.05, 0)}
"""By which share, and by how much beyond it, a count may pass its budget."""
COMMANDS = (("--help",), ("list", "methods"), ("list", "metrics", "--json"))
PROBE = """
import json, sys
before = set(sys.modules)
from calibench.cli import main
sys.argv = ["calibench", *json.loads(sys.argv[1])]
try:
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
print("\\n" + json.dumps(sorted(set(sys.modules) - before)))
"""

Counts = dict[str, dict[str, int]]


def imports() -> Counts:
    """Modules that each command imports, in a process of its own."""
    found: Counts = {}
    for command in COMMANDS:
        done = subprocess.run(
            [sys.executable, "-c", PROBE, json.dumps(command)], capture_output=True, text=True, check=True
        )
        names = json.loads(done.stdout.splitlines()[-1])
        ours = [name for name in names if name.partition(".")[0].startswith("calibench")]
        found["calibench " + " ".join(command)] = {"modules": len(names), "ours": len(ours)}
    return found


def torch_bytes(call: Callable[[], object]) -> int:
    """Bytes that torch's CPU allocator hands out during `call`."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        kept = call()
    events = cast(Any, profiler).profiler.kineto_results.events()
    del kept
    return sum(event.nbytes() for event in events if event.name() == "[memory]" and event.nbytes() > 0)


def peak_bytes(call: Callable[[], object]) -> int | None:
    """Most bytes on the heap at once during `call`; None where heap.c is not loaded."""
    heap = ctypes.CDLL(None)
    if not hasattr(heap, "calibench_heap_peak"):
        return None
    heap.calibench_heap_peak.restype = ctypes.c_long
    gc.collect()
    gc.disable()
    try:
        heap.calibench_heap_start()
        call()
        return int(heap.calibench_heap_peak())
    finally:
        gc.enable()


def with_heap_account() -> dict[str, str]:
    """The environment in which heap.c is loaded, compiled if need be; an unchanged one where it cannot be."""
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        print("counted: peak_bytes is not measured: it needs Linux with glibc")
        return {}
    source = Path(__file__).with_name("heap.c")
    library = ROOT / "build" / "perf" / f"heap-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}.so"
    if not library.exists():
        library.parent.mkdir(parents=True, exist_ok=True)
        compiler = (os.environ.get("CC") or "cc").split()
        subprocess.run(
            [*compiler, "-O2", "-fPIC", "-shared", "-fno-builtin", str(source), "-o", str(library)], check=True
        )
    return {"LD_PRELOAD": str(library)}


def costs(only: str = "") -> Counts:
    """Every workload's counts, on one thread; `only` those whose name contains it."""
    import torch
    from kernel_workloads import kernel_workloads
    from metric_workloads import metric_workloads

    torch.set_num_threads(1)
    found: Counts = {}
    for workload in [*kernel_workloads(), *metric_workloads(judge_rows=2_000)]:
        if only not in workload.name:
            continue
        prepared = workload.prepare()
        prepared.check(prepared.call())
        reads = Reads(workload.elements)
        with reads.watch():
            prepared.call()
        found[workload.name] = {
            "calls": reads.calls,
            "passes": reads.passes,
            "torch_bytes": torch_bytes(prepared.call),
        }
        peak = peak_bytes(prepared.call)
        if peak is not None:
            found[workload.name]["peak_bytes"] = peak
    return found


def judge(
    found: Mapping[str, Mapping[str, int]], budgets: Mapping[str, Mapping[str, int]]
) -> tuple[list[str], list[str]]:
    """What exceeds its budget or has none, and what has fallen below it."""
    over: list[str] = []
    under: list[str] = []
    for name, counts in found.items():
        if name not in budgets:
            over.append(f"{name}: no budget yet")
            continue
        for what, count in counts.items():
            budget, (share, more) = budgets[name].get(what, -1), SLACK.get(what, (0.0, 0))
            if count > budget * (1 + share) + more:
                over.append(f"{name}: {what} {count:,} exceeds its budget of {budget:,}")
            elif count < budget * (1 - share) - more:
                under.append(f"{name}: {what} fell from {budget:,} to {count:,}")
    over += [f"{name}: has a budget and is not measured any more" for name in budgets if name not in found]
    return over, under


def environment() -> dict[str, str]:
    """What the budgets were measured with; a count may change with it."""
    import numpy as np
    import torch

    return {
        "python": ".".join(map(str, sys.version_info[:2])),
        "torch": torch.__version__.partition("+")[0],
        "numpy": np.__version__,
    }


def write(found: Counts) -> None:
    """`budgets.json`, a line a case, so that a diff shows what moved."""
    lines = [f"  {json.dumps(name)}: {json.dumps(counts)}" for name, counts in found.items()]
    body = ",\n".join(lines)
    BUDGETS.write_text(f'{{"measured_with": {json.dumps(environment())},\n "budgets": {{\n{body}\n}}}}\n')


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--update", action="store_true", help=f"write what was measured to {BUDGETS.name}")
    parser.add_argument("--only", default="", help="workloads whose name contains this; shows and judges nothing else")
    asked = parser.parse_args()
    if "LD_PRELOAD" not in os.environ and (more := with_heap_account()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | more)
    found = ({} if asked.only else imports()) | costs(asked.only)
    for name, counts in found.items():
        print(f"{name:<52} " + "  ".join(f"{what} {count:,}" for what, count in counts.items()))
    if asked.update:
        write(found)
        print(f"counted: {BUDGETS} written")
        return 0
    kept = json.loads(BUDGETS.read_text())
    budgets = {name: each for name, each in kept["budgets"].items() if asked.only in name}
    over, under = judge(found, budgets)
    if under:
        print("\ncounted: better than budgeted; lower it (tests/perf/counted.py --update) so that it stays won:")
        print("\n".join(f"  {line}" for line in under))
    if over:
        print("\ncounted: FAILED\n" + "\n".join(f"  {line}" for line in over))
        if kept["measured_with"] != environment():
            print(f"  (budgets are of {kept['measured_with']}, this is {environment()})")
        print("  if the cost is meant: tests/perf/counted.py --update, and say why in the commit")
        return 1
    print(f"\ncounted: passed, {len(found)} cases within their budgets")
    return 0


if __name__ == "__main__":
    sys.exit(main())
