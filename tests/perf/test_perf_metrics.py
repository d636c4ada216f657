"""Every metric on its own, and the default set as `judge`, timed by pytest-benchmark (`make bench`) and checked once by CI."""

from __future__ import annotations

import pytest
from metric_workloads import metric_workloads
from workloads import Workload

METRICS = metric_workloads()


@pytest.mark.parametrize("workload", METRICS, ids=[workload.name for workload in METRICS])
def test_metric(workload: Workload, benchmark) -> None:
    prepared = workload.prepare()
    benchmark.group = "metrics"
    benchmark.extra_info["elements"] = workload.elements
    if workload.covers == "judge":  # seconds a call
        prepared.check(benchmark.pedantic(prepared.call, rounds=3))
    else:
        prepared.check(benchmark(prepared.call))
