"""`CalibrationAccumulator.all_reduce` over two processes, and an accumulator loaded where nothing is compiled."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch
from kernel_accumulators import assert_stats_close, filled
from kernel_backends import bits
from kernel_cases import draw
from kernel_package import copy_without_kernels, run_python
from torch import multiprocessing

from calibench import kernels
from calibench.errors import InputError
from calibench.kernels import CalibrationAccumulator

pytestmark = pytest.mark.filterwarnings("default::calibench.errors.CalibenchWarning")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forked")

LOAD = """
import pickle, sys
from calibench import kernels
for text in sys.argv[1:]:
    accumulator = pickle.loads(bytes.fromhex(text))
    assert not kernels.extension_status().loaded, kernels.extension_status()
    print([field.numpy().tobytes().hex() for field in accumulator.compute()])
"""


@pytest.mark.slow
def test_it_loads_where_nothing_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_without_kernels(tmp_path)
    accumulators = []
    for backend in ("auto", "reference"):
        monkeypatch.setenv("CALIBENCH_BACKEND", backend)
        accumulators.append(filled(*draw(3000, 10), 1024))
    process = run_python(LOAD, *(pickle.dumps(part).hex() for part in accumulators), path=tmp_path)
    assert process.returncode == 0, process.stderr
    expected = [str([field.hex() for field in bits(part.compute())]) for part in accumulators]
    assert process.stdout.splitlines() == expected


SHARDS = {
    "uneven": (700, 2301),
    "an empty one": (0, 3000),
    "chunks": (1024, 1024 + 952),
}
"""Rows of the first and of the second process."""


def run_in_process(process: int, folder: str, task: str) -> None:
    """The work of one of two processes; the result goes to a file of its own."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=process, world_size=2)
    try:
        result = TASKS[task](process)
    except InputError as error:
        result = error.message
    finally:
        torch.distributed.destroy_process_group()
    torch.save(result, f"{folder}/{process}.pt")


def reduce_shards(process: int) -> dict[str, list[bytes]]:
    results = {}
    for name, sizes in SHARDS.items():
        x, y = draw(sum(sizes), 10, torch.float32)
        rows = slice(0, sizes[0]) if process == 0 else slice(sizes[0], None)
        accumulator = filled(x[rows], y[rows], 1024)
        accumulator.all_reduce()
        assert accumulator.num_classes == 10  # also in a process that has seen no row
        results[name] = bits(accumulator.compute())
    return results


def reduce_different_bins(process: int) -> str:
    CalibrationAccumulator(10 + 5 * process).all_reduce()
    return "reduced"


def reduce_different_classes(process: int) -> str:
    filled(*draw(10, 3 + process), 10).all_reduce()
    return "reduced"


TASKS = {"shards": reduce_shards, "bins": reduce_different_bins, "classes": reduce_different_classes}


def run_in_two_processes(task: str, folder: Path) -> list[object]:
    multiprocessing.start_processes(run_in_process, args=(str(folder), task), nprocs=2, start_method="fork")
    return [torch.load(folder / f"{process}.pt", weights_only=False) for process in range(2)]


@needs_fork
@pytest.mark.usefixtures("backend")
def test_processes_reduce_to_the_bits_of_merging_in_their_order(tmp_path: Path) -> None:
    first, second = run_in_two_processes("shards", tmp_path)
    assert first == second
    for name, sizes in SHARDS.items():
        x, y = draw(sum(sizes), 10, torch.float32)
        merged = filled(x[: sizes[0]], y[: sizes[0]], 1024)
        merged.merge(filled(x[sizes[0] :], y[sizes[0] :], 1024))
        assert first[name] == bits(merged.compute()), name  # type: ignore[index]
        assert_stats_close(merged.compute(), kernels.calibration_stats(x, y))


@pytest.mark.slow
@needs_fork
@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize(
    ("task", "messages"),
    [
        ("bins", ("process 1: bins=15 does not go with bins=10", "process 0: bins=10 does not go with bins=15")),
        ("classes", ("process 1: 4 classes after batches of 3", "process 0: 3 classes after batches of 4")),
    ],
)
def test_different_settings_are_refused_in_every_process(task: str, messages: tuple[str, str], tmp_path: Path) -> None:
    results = run_in_two_processes(task, tmp_path)
    assert results == [f"CalibrationAccumulator.all_reduce: {message}" for message in messages]
