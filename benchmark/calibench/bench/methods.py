"""Cost of each method: seconds and peak memory of a whole run in a fresh process, relative to plain cross-entropy."""

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
"""Kind of the baseline: all methods are compared with the default method of this kind."""

TIMEOUT = 3600.0
"""Seconds for one run."""


@dataclass(frozen=True)
class Workload:
    """Data, network and settings of every run."""

    dataset: str | None
    model: str | None
    epochs: int | None
    seed: int = 0
    settings: tuple[str, ...] = ()
    threads: int | None = None


@dataclass(frozen=True)
class Cost:
    """Cost of a recipe: seconds in total and by stage, peak resident bytes, and resident bytes before the work began."""

    recipe: str
    kind: str
    seconds: float | None = None
    timings_s: dict[str, float] = field(default_factory=dict)
    peak_bytes: int | None = None
    base_bytes: int | None = None
    error: str | None = None

    def extra_bytes(self) -> int | None:
        """The peak beyond the resident bytes before the work began; None if the run failed."""
        return None if self.peak_bytes is None or self.base_bytes is None else self.peak_bytes - self.base_bytes


def recipes(texts: Sequence[str]) -> list[tuple[str, str]]:
    """`(kind, recipe)` to measure, the baseline first: the recipes of `texts`, else every method without required parameters."""
    from calibench.config.resolve import resolve
    from calibench.plugins.discovery import registry

    specs = [entry.spec for entry in registry().all("method") if isinstance(entry.spec, MethodSpec)]
    baseline = next((spec for spec in specs if spec.default and spec.kind == BASELINE), None)
    if baseline is None:
        raise InputError("no plugin offers a default objective to compare with")
    if texts:
        pairs = [(resolve(text).stages[-1].spec.kind, text) for text in texts]
    else:
        pairs = [(spec.kind, spec.name) for spec in specs if not _has_required_parameters(spec)]
    return [(baseline.kind, baseline.name), *(pair for pair in pairs if pair[1] != baseline.name)]


def _has_required_parameters(spec: MethodSpec) -> bool:
    return any(parameter.default is REQUIRED for parameter in spec.params)


def run(texts: Sequence[str], work: Workload, report: Report) -> dict[str, Any]:
    """Measures the recipes one after another; a recipe that cannot run on this workload is listed with the reason."""
    from calibench.config.resolve import settings_for

    costs: list[Cost] = []
    pairs = recipes(texts)
    names = [recipe for _, recipe in pairs]
    for done, (kind, recipe) in enumerate(pairs):
        report("methods", done, len(pairs), recipe)
        settings = settings_for(recipe, work.settings, names)
        costs.append(measure(kind, recipe, replace(work, settings=settings)))
        report("methods", done + 1, len(pairs), "")
    base = costs[0]
    return {
        "schema": SCHEMA,
        "workload": asdict(work),
        "baseline": base.recipe,
        "machine": machine(work.threads or _threads(), "cpu"),
        "versions": versions(),
        "units": {"seconds": "s, the whole run with judging; data loading and imports left out", "bytes": "resident"},
        "methods": [asdict(cost) | _ratios(cost, base) for cost in costs],
    }


def measure(kind: str, recipe: str, work: Workload) -> Cost:
    """One run in a fresh process, without cache; the error is the last line of a failed run's messages."""
    request = json.dumps({"recipe": recipe, **asdict(work)})
    try:
        process = subprocess.run(
            [sys.executable, "-P", "-m", "calibench.bench.methods", request],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Cost(recipe, kind, error=f"it took more than {TIMEOUT:g} s")
    if process.returncode != 0:
        lines = [line for line in process.stderr.splitlines() if line.strip()]
        return Cost(recipe, kind, error=lines[-1] if lines else f"it ended with exit code {process.returncode}")
    return Cost(recipe, kind, **json.loads(process.stdout.splitlines()[-1]))


def _ratios(cost: Cost, base: Cost) -> dict[str, float | None]:
    """Seconds and extra memory relative to the baseline's; None if either run failed."""
    extra, base_extra = cost.extra_bytes(), base.extra_bytes()
    return {
        "x_seconds": cost.seconds / base.seconds if cost.seconds and base.seconds else None,
        "x_memory": extra / base_extra if extra is not None and base_extra else None,
        "extra_bytes": extra,
    }


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _resident() -> int:
    """Resident bytes at this moment."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def _child(request: dict[str, Any]) -> None:
    """Runs the recipe and prints one line of JSON."""
    import time

    from calibench.config.resolve import resolve
    from calibench.data.load import load_data
    from calibench.errors import CalibenchError
    from calibench.kernels import set_threads
    from calibench.runs.options import RunOptions
    from calibench.runs.run import run_config

    if request["threads"] is not None:
        set_threads(request["threads"])
    try:
        config = resolve(
            request["recipe"],
            request["dataset"],
            request["model"],
            seed=request["seed"],
            epochs=request["epochs"],
            settings=request["settings"],
        )
        load_data(config)  # imports modules, and brings files into the page cache
        base, start = _resident(), time.perf_counter()
        record, _ = run_config(config, RunOptions())
        seconds = time.perf_counter() - start - record.timings_s.get("data", 0.0)
    except CalibenchError as error:
        sys.exit(f"{error.message}; {error.hint}" if error.hint else error.message)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "timings_s": record.timings_s, "peak_bytes": peak, "base_bytes": base}))


if __name__ == "__main__":
    _child(json.loads(sys.argv[1]))
