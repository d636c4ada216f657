"""Every function of `calibench.kernels`, timed by pytest-benchmark (`make bench`) and checked once by CI."""

from __future__ import annotations

import inspect

import pytest
from kernel_workloads import MAKERS, kernel_workloads
from workloads import Workload

from calibench import kernels

KERNELS = kernel_workloads()
NOT_TIMED = {"backend", "build_info", "extension_status", "chunk_rows", "set_threads", "threads"}
"""Functions that describe the kernels and compute nothing."""


@pytest.mark.parametrize("workload", KERNELS, ids=[workload.name for workload in KERNELS])
def test_kernel(workload: Workload, benchmark) -> None:
    prepared = workload.prepare()
    benchmark.group = workload.covers
    benchmark.extra_info["elements"] = workload.elements
    prepared.check(benchmark(prepared.call))


def test_every_kernel_has_a_benchmark() -> None:
    functions = {name for name in kernels.__all__ if inspect.isfunction(getattr(kernels, name))}
    timed = {name.partition(".")[0] for name in MAKERS}
    assert timed == functions - NOT_TIMED | {"CalibrationAccumulator"}
