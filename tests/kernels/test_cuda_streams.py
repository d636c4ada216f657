"""The CUDA operators are asynchronous, capturable and deterministic, and take little memory."""

from __future__ import annotations

import pytest
import torch
from kernel_cases import draw
from kernel_cuda import CUDA_ONLY, NO_FAULT, OPS, calls, same

from calibench import kernels
from calibench.errors import InputError

pytestmark = CUDA_ONLY


@pytest.mark.parametrize("k", [7, 100, 700, 3000])
def test_bits_do_not_change_from_run_to_run(k: int) -> None:
    x, y = (v.cuda() for v in draw(3000, k, torch.float32))
    for name, call in calls(k=k):
        first = call(x, y)
        for _ in range(3):
            assert same(call(x, y), first), name


def test_no_operator_waits_for_the_device() -> None:
    x, y = (v.cuda() for v in draw(3000, 100, torch.float32))
    operators = [*calls()]
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        results = [call(x, y) for _, call in operators]
        stats = kernels.calibration_stats(x, y)  # the typed functions do not wait either, until a field is read
        decision = kernels.softmax_threshold(x, 0.3)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(results) == len(operators)
    assert stats.n == 3000
    assert decision.prediction.shape == (3000,)


def test_a_call_returns_before_the_kernel_ends() -> None:
    x, y = (v.cuda() for v in draw(3000, 100, torch.float32))
    for name, call in calls():
        call(x, y)
        torch.cuda.synchronize()
        event = torch.cuda.Event()
        torch.cuda._sleep(200_000_000)  # about 0.1 s
        call(x, y)
        event.record()
        assert not event.query(), name
        torch.cuda.synchronize()


def test_work_is_queued_on_the_current_stream() -> None:
    x, y = (v.cuda() for v in draw(3000, 100, torch.float32))
    for name, call in calls():
        expected = call(x, y)
        late = torch.zeros_like(x)
        torch.cuda.synchronize()
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            torch.cuda._sleep(50_000_000)
            late.copy_(x)
            result = call(late, y)  # on another stream it would read zeros
        stream.synchronize()
        assert same(result, expected), name


@pytest.mark.parametrize("k", [10, 100, 700, 3000])
def test_every_operator_can_be_captured(k: int) -> None:
    x, y = (v.cuda() for v in draw(3000, k, torch.float32))
    narrower, _ = (v.cuda() for v in draw(3000, k, torch.float32, 1.5))
    for name, call in calls(k=k):
        input_of_graph = x.clone()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            call(input_of_graph, y)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = call(input_of_graph, y)
        for scores in (x, narrower, x):
            input_of_graph.copy_(scores)
            graph.replay()
            torch.cuda.synchronize()
            assert same(result, call(scores, y)), name


def test_check_after_a_replay_raises_for_a_bad_row() -> None:
    x, y = (v.cuda() for v in draw(300, 10, torch.float32))
    kernels.calibration_stats(x, y).check()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        stats = kernels.calibration_stats(x, y)
    graph.replay()
    stats.check()
    x[17, 3] = float("nan")
    graph.replay()
    with pytest.raises(InputError, match="row 17: a score is NaN or infinite"):
        stats.check()
    x[17, 3] = 0.0
    graph.replay()
    stats.check()
    assert stats.n == 300


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is one CUDA device")
def test_the_device_of_the_input_is_used() -> None:
    x, y = draw(500, 10, torch.float32)
    with torch.cuda.device(0):
        stats = kernels.calibration_stats(x.to("cuda:1"), y.to("cuda:1"))
        assert stats.count.device.index == 1
        assert torch.cuda.current_device() == 0
    assert torch.equal(stats.count.cpu(), kernels.calibration_stats(x, y).count)


def test_extra_memory_grows_with_rows_and_bins_only() -> None:
    n, k = 100_000, 1000
    x = torch.randn(n, k, device="cuda")
    y = torch.randint(0, k, (n,), device="cuda")
    for name, call in calls(n, k):
        call(x[:10], y[:10])
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        result = call(x, y)
        torch.cuda.synchronize()
        extra = torch.cuda.max_memory_allocated() - before
        sets = n * k if "sets" in name or "sigmoid" in name else 0  # they return one byte per score
        assert extra - sets < 100 * n + 40 * 24 * k * 15, (name, extra)
        del result


@pytest.mark.parametrize("k", [10, 700])
def test_opcheck(k: int) -> None:
    x, y = (v.cuda() for v in draw(60, k, torch.float32))
    t = torch.rand(k, device="cuda", dtype=torch.float64)
    u = torch.linspace(-1, 1, 3, device="cuda", dtype=torch.float64)
    edges = torch.empty(0, device="cuda", dtype=torch.float64)
    state = torch.zeros(17, 4, device="cuda", dtype=torch.float64)
    fault = torch.tensor([NO_FAULT, 0], device="cuda")
    arguments = {
        "calibration_stats": (x, y, 15, False, True),
        "calibration_update": (state, fault, x, y, 15, False),
        "classwise_stats": (x, y, edges, 15, False, -1.0),
        "softmax_threshold": (x, t, False),
        "softmax_threshold_sets": (x, t, False),
        "sigmoid_threshold": (x, t, True),
        "nll_curve": (x, y, u),
        "bootstrap_bins": (t, t > 0.5, 15, 7, 3),
    }
    for op, inputs in arguments.items():
        torch.library.opcheck(getattr(OPS, op).default, inputs)
