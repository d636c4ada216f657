"""Counts costs that do not depend on the machine's load, and compares them with the budgets in `budgets.json`.

calls        operators that torch dispatches in one call (aten's and ours; TorchDispatchMode), views included
passes       reads of the logits: dispatched operators with a tensor of as many numbers (views and allocations excepted), and
             numpy functions with an array made from such a tensor; a fused operator is one pass
torch_bytes  bytes that torch's CPU allocator hands out in one call, freed or not (the profiler's memory events)
peak_bytes   most bytes on the process's heap during one call, beyond those before it: tensors, arrays, and the vectors inside
             the kernels (heap.c, a malloc that counts; Linux with glibc)
modules      Python modules that a command imports; `ours` are those of calibench

Each is measured on a second call, after caches are filled and lazy imports are done, and on one thread. Counts are exact.
`peak_bytes` may exceed its budget by 2 % and 4 KiB, and `modules` by 5 %, because Python itself and other packages are included.
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

from imported_modules import imported_modules
from reads import Reads

os.environ.setdefault("KINETO_LOG_LEVEL", "99")

ROOT = Path(__file__).resolve().parent.parent.parent
BUDGETS = Path(__file__).with_name("budgets.json")
SLACK = {"peak_bytes": (0.02, 4096), "modules": (0.05, 0)}
"""How far a count may exceed its budget: a share of the budget, and an amount beyond it."""
COMMANDS = (
    ("--help",),
    ("list", "methods"),
    ("list", "metrics", "--json"),
    ("leaderboard", "--results", "leaderboards/digits"),
)

Counts = dict[str, dict[str, int]]


def imports() -> Counts:
    """Number of modules that each command imports, each in a fresh process."""
    counts: Counts = {}
    for command in COMMANDS:
        names = imported_modules(command, ROOT)
        ours = [name for name in names if name.partition(".")[0].startswith("calibench")]
        counts["calibench " + " ".join(command)] = {"modules": len(names), "ours": len(ours)}
    return counts


def torch_bytes(call: Callable[[], object]) -> int:
    """Bytes that torch's CPU allocator hands out during `call`."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        result = call()  # kept alive, so that freeing it is not recorded
    events = cast(Any, profiler).profiler.kineto_results.events()
    del result
    return sum(event.nbytes() for event in events if event.name() == "[memory]" and event.nbytes() > 0)


def peak_bytes(call: Callable[[], object]) -> int | None:
    """Most bytes on the heap during `call`, beyond those before it; None if heap.c is not loaded."""
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


def heap_environment() -> dict[str, str]:
    """Environment variables that load heap.c, which is compiled if necessary; none on systems without glibc."""
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
    """Counts of the workloads whose name contains `only`, on one thread."""
    import torch
    from kernel_workloads import kernel_workloads
    from metric_workloads import metric_workloads

    torch.set_num_threads(1)
    counts: Counts = {}
    for workload in [*kernel_workloads(), *metric_workloads(judge_rows=2_000)]:
        if only not in workload.name:
            continue
        prepared = workload.prepare()
        prepared.check(prepared.call())
        reads = Reads(workload.elements)
        with reads.watch():
            prepared.call()
        counts[workload.name] = {
            "calls": reads.calls,
            "passes": reads.passes,
            "torch_bytes": torch_bytes(prepared.call),
        }
        peak = peak_bytes(prepared.call)
        if peak is not None:
            counts[workload.name]["peak_bytes"] = peak
    return counts


def judge(
    counts: Mapping[str, Mapping[str, int]], budgets: Mapping[str, Mapping[str, int]]
) -> tuple[list[str], list[str]]:
    """Lines about counts above their budget or without one, and lines about counts below it."""
    over: list[str] = []
    under: list[str] = []
    for case, costs_of_case in counts.items():
        if case not in budgets:
            over.append(f"{case}: no budget yet")
            continue
        for cost, count in costs_of_case.items():
            budget, (share, amount) = budgets[case].get(cost, -1), SLACK.get(cost, (0.0, 0))
            if count > budget * (1 + share) + amount:
                over.append(f"{case}: {cost} {count:,} exceeds its budget of {budget:,}")
            elif count < budget * (1 - share) - amount:
                under.append(f"{case}: {cost} fell from {budget:,} to {count:,}")
    over += [f"{case}: has a budget and is not measured any more" for case in budgets if case not in counts]
    return over, under


def environment() -> dict[str, str]:
    """Versions of Python, torch and numpy, which counts may depend on."""
    import numpy as np
    import torch

    return {
        "python": ".".join(map(str, sys.version_info[:2])),
        "torch": torch.__version__.partition("+")[0],
        "numpy": np.__version__,
    }


def write(counts: Counts) -> None:
    """Writes `budgets.json` with a line per case, so that a diff shows which cases moved."""
    lines = [f"  {json.dumps(case)}: {json.dumps(costs_of_case)}" for case, costs_of_case in counts.items()]
    body = ",\n".join(lines)
    BUDGETS.write_text(f'{{"measured_with": {json.dumps(environment())},\n "budgets": {{\n{body}\n}}}}\n')


def report(counts: Counts, only: str) -> int:
    """Compares with the budgets, prints the result, and returns the exit code."""
    document = json.loads(BUDGETS.read_text())
    budgets = {case: budget for case, budget in document["budgets"].items() if only in case}
    over, under = judge(counts, budgets)
    if under:
        print("\ncounted: better than budgeted; lower it (tests/perf/counted.py --update) so that it stays won:")
        print("\n".join(f"  {line}" for line in under))
    if over:
        print("\ncounted: FAILED\n" + "\n".join(f"  {line}" for line in over))
        if document["measured_with"] != environment():
            print(f"  (budgets are of {document['measured_with']}, this is {environment()})")
        print("  if the cost is meant: tests/perf/counted.py --update, and say why in the commit")
        return 1
    print(f"\ncounted: passed, {len(counts)} cases within their budgets")
    return 0


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--update", action="store_true", help=f"write the counts to {BUDGETS.name}")
    parser.add_argument("--only", default="", help="show and judge only the workloads whose name contains this")
    arguments = parser.parse_args()
    if "LD_PRELOAD" not in os.environ and (variables := heap_environment()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | variables)
    counts = ({} if arguments.only else imports()) | costs(arguments.only)
    for case, costs_of_case in counts.items():
        print(f"{case:<52} " + "  ".join(f"{cost} {count:,}" for cost, count in costs_of_case.items()))
    if arguments.update:
        write(counts)
        print(f"counted: {BUDGETS} written")
        return 0
    return report(counts, arguments.only)


if __name__ == "__main__":
    sys.exit(main())
