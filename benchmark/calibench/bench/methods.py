"""What each method costs: seconds and peak memory of a whole run, beside plain cross-entropy's, each in a fresh process."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from calibench.errors import InputError
from calibench.plugins.params import REQUIRED
from calibench.plugins.specs import MethodSpec
from calibench.progress import Report
from calibench.records import schemas
from calibench.records.environment import machine, versions

SCHEMA = schemas.BENCH_METHODS
BASELINE = "objective"
"""The default method of this kind is what the others are compared with."""

TIMEOUT = 3600.0
"""Seconds for one run."""


@dataclass(frozen=True)
class Workload:
    """The data, the network and what is common to all runs."""

    dataset: str | None
    model: str | None
    epochs: int | None
    seed: int = 0
    settings: tuple[str, ...] = ()
    threads: int | None = None


@dataclass(frozen=True)
class Cost:
    """What one recipe took: seconds in all and by stage, peak resident bytes, and bytes before the work began."""

    recipe: str
    kind: str
    seconds: float | None = None
    timings_s: dict[str, float] = field(default_factory=dict)
    peak_bytes: int | None = None
    base_bytes: int | None = None
    error: str | None = None

    def extra_bytes(self) -> int | None:
        """The peak beyond what was held before the work began."""
        return None if self.peak_bytes is None or self.base_bytes is None else self.peak_bytes - self.base_bytes


def recipes(chosen: Sequence[str]) -> list[tuple[str, str]]:
    """`(kind, recipe)` to measure: those chosen, else every registered method that can stand alone; the baseline first."""
    from calibench.config.resolve import resolve
    from calibench.plugins.discovery import registry

    specs = [entry.spec for entry in registry().all("method") if isinstance(entry.spec, MethodSpec)]
    default = next((spec for spec in specs if spec.default and spec.kind == BASELINE), None)
    if default is None:
        raise InputError("no plugin offers a default objective to compare with")
    if chosen:
        named = [(resolve(text).stages[-1].spec.kind, text) for text in chosen]
    else:
        named = [(s.kind, s.name) for s in specs if not any(p.default is REQUIRED for p in s.params)]
    return [(default.kind, default.name), *(pair for pair in named if pair[1] != default.name)]


def run(chosen: Sequence[str], work: Workload, report: Report) -> dict[str, Any]:
    """Measure the recipes one after another; a recipe that cannot run on this workload is told with its reason."""
    from calibench.config.resolve import settings_for

    found: list[Cost] = []
    todo = recipes(chosen)
    names = [recipe for _, recipe in todo]
    for done, (kind, recipe) in enumerate(todo):
        report("methods", done, len(todo), recipe)
        given = settings_for(recipe, work.settings, names)
        found.append(measure(kind, recipe, replace(work, settings=given)))
        report("methods", done + 1, len(todo), "")
    base = found[0]
    return {
        "schema": SCHEMA,
        "workload": asdict(work),
        "baseline": base.recipe,
        "machine": machine(work.threads or _threads(), "cpu"),
        "versions": versions(),
        "units": {"seconds": "s, the whole run with judging; data loading and imports left out", "bytes": "resident"},
        "methods": [asdict(cost) | _ratios(cost, base) for cost in found],
    }


def measure(kind: str, recipe: str, work: Workload) -> Cost:
    """One run in a process of its own, with no cache; what it says when it fails is the error."""
    question = json.dumps({"recipe": recipe, **asdict(work)})
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "calibench.bench.methods", question],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Cost(recipe, kind, error=f"it took more than {TIMEOUT:g} s")
    if ended.returncode != 0:
        lines = [line for line in ended.stderr.splitlines() if line.strip()]
        return Cost(recipe, kind, error=lines[-1] if lines else f"it ended with exit code {ended.returncode}")
    return Cost(recipe, kind, **json.loads(ended.stdout.splitlines()[-1]))


def _ratios(cost: Cost, base: Cost) -> dict[str, float | None]:
    """Seconds and extra memory relative to the baseline's; None where either failed."""
    extra, others = cost.extra_bytes(), base.extra_bytes()
    return {
        "x_seconds": cost.seconds / base.seconds if cost.seconds and base.seconds else None,
        "x_memory": extra / others if extra is not None and others else None,
        "extra_bytes": extra,
    }


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _resident() -> int:
    """Bytes resident now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def _child(question: dict[str, Any]) -> None:
    """Runs the recipe and prints one line of JSON."""
    import time

    import torch

    from calibench.config.resolve import resolve
    from calibench.data.load import load_data
    from calibench.errors import CalibenchError
    from calibench.runs.options import RunOptions
    from calibench.runs.run import run_config

    if question["threads"] is not None:
        torch.set_num_threads(question["threads"])
    try:
        config = resolve(
            question["recipe"],
            question["dataset"],
            question["model"],
            seed=question["seed"],
            epochs=question["epochs"],
            settings=question["settings"],
        )
        load_data(config)  # imports, and files into the page cache
        base, start = _resident(), time.perf_counter()
        record, _ = run_config(config, RunOptions())
        seconds = time.perf_counter() - start - record.timings_s.get("data", 0.0)
    except CalibenchError as error:
        sys.exit(f"{error.message}; {error.hint}" if error.hint else error.message)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "timings_s": record.timings_s, "peak_bytes": peak, "base_bytes": base}))


if __name__ == "__main__":
    _child(json.loads(sys.argv[1]))
