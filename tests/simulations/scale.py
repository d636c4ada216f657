"""A sweep of 100 000 cells with stages that do nothing: the table of docs/scale.md. Each line is measured in a process of its own.

`python tests/simulations/scale.py` prints all lines; a name prints one of them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from calibench.config.run_config import RunConfig
from calibench.config.suite import load_suite
from calibench.runs.launchers import local
from calibench.runs.launchers.messages import Done, Event, Outcome, Setup, Task, Workers
from calibench.runs.launchers.waiting import Waiting
from calibench.runs.options import RunOptions
from calibench.runs.sweeps.cells import Cell, cells_of
from calibench.runs.sweeps.state import SweepState
from calibench.runs.sweeps.sweep import missing_cells, sweep

CELLS = 100_000
NOOPS = 2_000
"""Runs that do nothing, for the launchers."""


def peak_mb() -> float:
    """The most memory of this process, in MB. `ru_maxrss` would count the process that started it too."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write_suite(folder: Path, seeds: int = 20) -> Path:
    """A suite of 100 recipes on 25 splits of the digits with 2 noises: 5 000 cells a seed."""
    recipes = ["ce", *(f"label-smoothing:epsilon={i / 1000}+temperature" for i in range(1, 100))]
    text = f'primary = "brier"\nbase = "ce"\nmethod = {json.dumps(recipes)}\nseed = {list(range(seeds))}\n'
    for split in range(25):
        text += f'[[data]]\ndataset = "digits:split_seed={split}"\nmodel = "mlp:hidden=16"\n'
        text += 'noise = ["none", "symmetric:rate=0.2"]\n'
    file = folder / "large-v1.toml"
    file.write_text(text + "[train]\nepochs = 8\n", encoding="utf-8")
    return file


def planned(folder: Path, seeds: int = 20) -> tuple[list[Cell], RunOptions]:
    """Every cell of the suite with its key."""
    options = RunOptions(results=folder / "results", wait=False)
    return cells_of(load_suite(write_suite(folder, seeds)).configs(), options, 1), options


def plan(folder: Path) -> str:
    """All cells, their keys, and which of them are missing from an empty folder."""
    cells, options = planned(folder)
    assert options.results is not None
    missing = missing_cells(cells, SweepState.read(options.results, "large-v1"))
    assert len(missing) == len(cells) == CELLS
    return "plan: cells, keys, what is missing"


def order(folder: Path) -> str:
    """The order in which all cells are handed out, two at a time."""
    configs = [cell.config for cell in planned(folder)[0]]
    waiting, count = Waiting(configs), 0
    while len(waiting):
        for number in filter(lambda n: n is not None, [waiting.take(), waiting.take()]):
            waiting.ended(number)  # type: ignore[arg-type] - None is filtered out
            count += 1
    assert count == CELLS
    return "order in which runs are handed out"


def write_noop_record(results: Path, number: int) -> str:
    """A file in place of a record; returns its run id."""
    path = results / "records" / f"digits-mlp-ce-s0-{number:012x}.json"
    path.write_text("{}")
    return path.stem


def noop_launch(configs: Sequence[RunConfig], options: RunOptions, workers: Workers) -> Iterator[Event]:
    """Every run ends at once with a record that is an empty document."""
    assert options.results is not None
    (options.results / "records").mkdir(exist_ok=True)
    for number in range(len(configs)):
        yield Event(0, Done(number, write_noop_record(options.results, number), False, 0.0))


def loop(folder: Path) -> str:
    """The sweep's own work for 100 000 runs that end at once, with the file that remembers them."""
    cells, options = planned(folder)
    swept = sweep("large-v1", cells, options, launch=noop_launch)
    assert swept.made == CELLS
    return "sweep of runs that end at once"


def second(folder: Path) -> str:
    """The same call again: every record is looked at, and none is made."""
    cells, options = planned(folder)
    swept = sweep("large-v1", cells, options, launch=noop_launch)
    assert (swept.before, swept.made) == (CELLS, 0)
    return "the same call again"


def noop_outcome(task: Task, *_: Any) -> Outcome:
    """In place of the outcome of a run, in a worker."""
    return Done(task.number, f"noop-{task.number}", False, 0.0)


def local_launcher(folder: Path) -> str:
    """Runs that do nothing by two processes of the local launcher."""
    configs = [cell.config for cell in planned(folder, 1)[0]][:NOOPS]
    local.WORKER = "scale"  # this module, which Python finds in this folder
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    events = local.launch(configs, RunOptions(results=folder), Workers(2, 1, folder))
    return f"{_rate(events)} by the launcher local, 2 processes"


def ray_launcher(folder: Path) -> str:
    """Runs that do nothing as tasks of a Ray cluster with two CPUs on this machine."""
    from calibench.runs.launchers import ray

    def make_run(task: Task, setup: Setup, *_: Any) -> Outcome:
        return Done(task.number, f"noop-{task.number}", False, 0.0)

    ray.make_run = make_run
    ray.Tasks._refuse_other_folder = lambda self, run_id: None  # type: ignore[method-assign] - there are no records
    configs = [cell.config for cell in planned(folder, 1)[0]][:NOOPS]
    events = ray.launch(configs, RunOptions(results=folder), Workers(2, 1, folder))
    return f"{_rate(events)} by the launcher ray, 2 CPUs"


def _rate(events: Iterator[Event]) -> str:
    """Runs a second from the first to the last, so that the start of workers does not count."""
    ended: list[float] = [time.monotonic() for event in events if isinstance(event.message, Done)]
    assert len(ended) == NOOPS
    return f"{(NOOPS - 1) / (ended[-1] - ended[0]):.0f} runs a second"


STEPS: tuple[Callable[[Path], str], ...] = (plan, order, loop, second, local_launcher, ray_launcher)


def worker() -> None:
    """A worker of the local launcher whose runs do nothing."""
    from calibench.runs.launchers import worker

    worker.outcome_of = noop_outcome
    worker.main()


def main() -> None:
    """Measure one step in this process, or each in a new one; `loop` and `second` share a folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("step", nargs="?", choices=[step.__name__ for step in STEPS])
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.step is None:
        with tempfile.TemporaryDirectory() as folder:
            for step in STEPS:
                subprocess.run([sys.executable, __file__, step.__name__, "--folder", folder], check=True)
        return
    step = next(step for step in STEPS if step.__name__ == options.step)
    start, used = time.perf_counter(), time.process_time()
    what = step(options.folder or Path(tempfile.mkdtemp()))
    seconds, cpu = time.perf_counter() - start, time.process_time() - used
    memory = peak_mb()
    print(f"{what}: {seconds:.1f} s ({cpu:.1f} s of CPU), {memory:.0f} MB", flush=True)


if __name__ == "__main__" and "--folder" not in sys.argv and sys.argv[1:] and sys.argv[1].isdigit():
    worker()
elif __name__ == "__main__":
    main()
