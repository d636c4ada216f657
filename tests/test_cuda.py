"""Every operator on CUDA: equal to its definition and to the CPU, asynchronous, capturable, deterministic, small."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from kernel_cases import draw, hard_rows, layouts, near, rows_for, steps
from kernel_definitions import (
    BINS,
    TYPES,
    calibration,
    calibration_samples,
    classwise,
    close,
    decide,
    edges_of,
    exact,
    nll_curve,
    passing,
    sigmoid,
    softmax,
    tolerance,
)
from kernel_ops import EVERY, LABELLED, UNLABELLED

from calibench import kernels
from calibench.errors import InputError
from calibench.kernels.loader import available, why_not

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
    pytest.mark.skipif(not available("cuda"), reason=f"the CUDA kernels cannot be used: {why_not('cuda')}"),
]

OPS = torch.ops.calibench
CLASSES = [1, 2, 3, 10, 17, 31, 32, 33, 100, 257, 512, 513, 1000, 1024, 1025, 1032, 3000, 32_000]
"""Around the widths of a group of lanes (32 to 512), of the stretch of a warp (1024), and rows of several stretches."""


@pytest.fixture(autouse=True)
def _fused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALIBENCH_BACKEND", "fused")


def on_gpu(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Copies with the strides, the offset and so the alignment that they have."""
    moved = []
    for tensor in tensors:
        whole = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage()).cuda()
        moved.append(whole.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset()))
    return tuple(moved)


def check_stats(x: torch.Tensor, y: torch.Tensor, bins: int = BINS, from_probs: bool = False, what: str = "") -> None:
    want, of_rows = calibration(x, y, bins, from_probs), calibration_samples(x, y, from_probs)
    scores, labels = on_gpu(x, y)
    got, samples = kernels.calibration_stats(scores, labels, bins, from_probs=from_probs, return_samples=True)
    for name in ("count", "correct_sum", "correct", "n"):
        exact(getattr(got, name).cpu(), want[name], f"{what}: {name}")
    for name in ("confidence_sum", "nll_sum", "brier_sum"):
        close(getattr(got, name).cpu(), want[name], x.dtype, f"{what}: {name}")
    exact(samples.prediction.cpu(), of_rows["prediction"], what)
    for name in ("confidence", "tail", "nll", "brier"):
        close(getattr(samples, name).cpu(), of_rows[name], x.dtype, f"{what}: {name}")


# --- equal to the definitions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_stats_equal_the_definition(dtype: torch.dtype, k: int) -> None:
    x, y = draw(rows_for(k), k, dtype)
    check_stats(x, y)
    p = x.double().softmax(dim=1).to(dtype)
    check_stats(p, y, 10, True)
    if k in {3, 10, 17, 100, 1000, 1032}:
        for name, view in layouts(x):
            check_stats(view, y, what=name)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_hard_rows(dtype: torch.dtype) -> None:
    for name, (row, label) in hard_rows(dtype).items():
        for copies in (1, 67):
            if copies * row.shape[1] < 100_000:
                check_stats(row.repeat(copies, 1), torch.full((copies,), label), what=name)


@pytest.mark.parametrize("k", [10, 100, 1000])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_confidences_beside_an_edge(dtype: torch.dtype, k: int) -> None:
    edges = tuple(float(edge) for edge in edges_of(BINS) if edge > 1 / k + 0.05)
    check_stats(*near(dtype, edges, k))
    if dtype == torch.float32:
        check_stats(*steps(edges, k))


@pytest.mark.parametrize("rows", [0, 1, 2, 63, 64, 65, 127, 128, 129, 1000])
@pytest.mark.parametrize("k", [10, 40, 600, 1500])
def test_any_number_of_rows_and_bins(rows: int, k: int) -> None:
    x, y = draw(rows, k, torch.float32)
    for bins in (1, 2, 15, 32, 33, 1000, 70_000):  # 33 and more are sorted
        check_stats(x, y, bins, what=f"{bins} bins")
    for labels in (torch.int32, torch.uint8):
        if k <= 255:
            check_stats(x, y.to(labels))


@pytest.mark.parametrize("k", [10, 100, 1000])
def test_many_rows_equal_the_cpu(k: int) -> None:
    """More rows than 8192 blocks take at once, and expected values from the CPU kernel, which has its own tests."""
    rows = 2_500_000 if k == 10 else 600_000_000 // k // 8
    generator = torch.Generator("cuda").manual_seed(k)
    x = torch.randn(rows, k, device="cuda", generator=generator) * 3
    y = torch.randint(0, k, (rows,), device="cuda", generator=generator)
    for bins in (15, 100):
        got = kernels.calibration_stats(x, y, bins)
        want = kernels.calibration_stats(x.cpu(), y.cpu(), bins)
        for name in want._fields:
            torch.testing.assert_close(getattr(got, name).cpu(), getattr(want, name), rtol=1e-6, atol=0)
        for name in ("count", "correct_sum", "correct", "n"):
            assert torch.equal(getattr(got, name).cpu(), getattr(want, name)), name


@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_classwise_equals_the_definition(dtype: torch.dtype, k: int) -> None:
    x, y = draw(rows_for(k), k, dtype)
    p = x.double().softmax(dim=1).to(dtype)
    edges = np.sort(np.random.default_rng(k).random(9) ** 4)
    own = np.sort(np.random.default_rng(k).random((k, 4)) ** 4, axis=1)
    for rows, probs in ((x, False), (p, True)):
        scores, labels = on_gpu(rows, y)
        for e in (None, edges, own, edges_of(40)):
            for threshold in (None, 0.01):
                want = classwise(rows, y, e, probs, threshold)
                bins = BINS if e is None else torch.from_numpy(e).cuda()
                got = kernels.classwise_stats(scores, labels, bins, from_probs=probs, threshold=threshold)
                exact(got.count.cpu(), want["count"])
                exact(got.label_sum.cpu(), want["label_sum"])
                close(got.prob_sum.cpu(), want["prob_sum"], dtype)


@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_thresholds_equal_the_definition(dtype: torch.dtype, k: int) -> None:
    x, _ = draw(rows_for(k), k, dtype)
    own = torch.rand(k, generator=torch.Generator().manual_seed(k), dtype=torch.float64) ** 3
    (logits,) = on_gpu(x)
    p = softmax(x).p
    for t in (0.0, 1e-30, 1e-5, 0.1, 0.5, 0.9, 1.0, 2.0, own, own * 1e-3):
        for strict in (False, True):
            limits = t.numpy() if isinstance(t, torch.Tensor) else t
            given = t.cuda() if isinstance(t, torch.Tensor) else t
            got = kernels.softmax_threshold(logits, given, strict=strict)
            prediction, confidence = decide(x, limits, strict)
            exact(got.prediction.cpu(), prediction)
            close(got.confidence.cpu(), confidence, dtype)
            sets = kernels.softmax_threshold_sets(logits, given, strict=strict)
            exact(sets.sets.cpu(), passing(p, limits, strict))
            exact(sets.sizes.cpu(), passing(p, limits, strict).sum(axis=1))
            sets = kernels.sigmoid_threshold(logits, given, strict=strict)
            exact(sets.sets.cpu(), passing(sigmoid(x), limits, strict))
            exact(sets.sizes.cpu(), passing(sigmoid(x), limits, strict).sum(axis=1))


@pytest.mark.parametrize("k", [10, 1000])
def test_probabilities_beside_a_threshold(k: int) -> None:
    for target in (0.01, 0.1, 0.4):
        x, _ = near(torch.float32, (target,), k, top_only=False)
        got = kernels.softmax_threshold_sets(x.cuda(), target)
        exact(got.sets.cpu(), passing(softmax(x).p, target, False))
        limits = np.full(k, target)
        decision = kernels.softmax_threshold(x.cuda(), torch.from_numpy(limits).cuda(), strict=True)
        exact(decision.prediction.cpu(), decide(x, limits, True)[0])


@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_nll_curve_equals_the_definition(dtype: torch.dtype, k: int) -> None:
    x, y = draw(rows_for(k), k, dtype)
    scores, labels = on_gpu(x, y)
    for u in (np.array([-3.9, -1.0, 0.0, 0.3, 2.0, 3.9]), np.linspace(-1, 1, 0 if k > 1000 else 70)):
        want, parts = nll_curve(x, y, u)
        got = torch.stack([*kernels.nll_curve(scores, labels, torch.from_numpy(u).cuda())]).cpu().numpy()
        assert (np.abs(got - want) <= 2.3e-308 + tolerance(dtype) * parts).all()


def test_a_fit_is_that_of_the_cpu() -> None:
    x, y = draw(5000, 30, torch.float32)
    got, want = kernels.fit_temperature(x.cuda(), y.cuda()), kernels.fit_temperature(x, y)
    assert float(got.temperature) == pytest.approx(float(want.temperature), rel=1e-6)


@pytest.mark.parametrize("samples", [0, 1, 2, 5, 1000, 50_000, (1 << 20) + 77])
@pytest.mark.parametrize("bins", [1, 15, 32, 33, 2000])
def test_bootstrap_has_the_bits_of_the_cpu(samples: int, bins: int) -> None:
    generator = torch.Generator().manual_seed(samples)
    confidence = torch.rand(samples, generator=generator, dtype=torch.float64) ** 0.3
    correct = torch.rand(samples, generator=generator) < 0.6
    for seed in (0, 2**62 + 12345):
        got = kernels.bootstrap_bins(confidence.cuda(), correct.cuda(), bins, resamples=20, seed=seed)
        want = kernels.bootstrap_bins(confidence, correct, bins, resamples=20, seed=seed)
        for a, b in zip(got, want, strict=True):
            assert torch.equal(a.cpu(), b)


# --- streams, graphs, waiting ---------------------------------------------------------------------------------------


def calls(n: int = 3000, k: int = 100) -> Iterator[tuple[str, Callable[[torch.Tensor, torch.Tensor], object]]]:
    """Every operator as torch knows it, with what it takes beside the scores lying on the device."""
    t = torch.rand(k, device="cuda", dtype=torch.float64)
    u = torch.linspace(-1, 1, 5, device="cuda", dtype=torch.float64)
    edges = torch.empty(0, device="cuda", dtype=torch.float64)
    yield "calibration_stats", lambda x, y: OPS.calibration_stats(x, y, 15, False, True)
    yield "calibration_stats, sorted", lambda x, y: OPS.calibration_stats(x, y, 100, False, False)
    yield "classwise_stats", lambda x, y: OPS.classwise_stats(x, y, edges, 15, False, -1.0)
    yield "softmax_threshold", lambda x, y: OPS.softmax_threshold(x, t[:1], False)
    yield "softmax_threshold, own", lambda x, y: OPS.softmax_threshold(x, t, False)
    yield "softmax_threshold_sets", lambda x, y: OPS.softmax_threshold_sets(x, t * 0.1, False)
    yield "sigmoid_threshold", lambda x, y: OPS.sigmoid_threshold(x, t, False)
    yield "nll_curve", lambda x, y: OPS.nll_curve(x, y, u)
    yield "bootstrap_bins", lambda x, y: OPS.bootstrap_bins(x[:, 0].double().sigmoid(), y > 3, 15, 50, 1)

    def update(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        state = torch.zeros(17, 4, device="cuda", dtype=torch.float64)
        fault = torch.full((2,), 2**63 - 1, device="cuda")
        OPS.calibration_update(state, fault, x, y, 15, False)
        return state, fault

    yield "calibration_update", update


def same(a: object, b: object) -> bool:
    return all(torch.equal(one, other) for one, other in zip(a, b, strict=True))  # type: ignore[call-overload]


@pytest.mark.parametrize("k", [7, 100, 700, 3000])
def test_bits_do_not_change_from_run_to_run(k: int) -> None:
    x, y = (v.cuda() for v in draw(3000, k, torch.float32))
    for name, call in calls(k=k):
        first = call(x, y)
        for _ in range(3):
            assert same(call(x, y), first), name


def test_no_operator_waits_for_the_device() -> None:
    x, y = (v.cuda() for v in draw(3000, 100, torch.float32))
    every = [*calls()]
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        results = [call(x, y) for _, call in every]
        stats = kernels.calibration_stats(x, y)  # the typed function neither, until it is looked at
        decision = kernels.softmax_threshold(x, 0.3)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(results) == len(every)
    assert stats.n == 3000
    assert decision.prediction.shape == (3000,)


def test_the_host_runs_ahead() -> None:
    x, y = (v.cuda() for v in draw(3000, 100, torch.float32))
    for name, call in calls():
        call(x, y)
        torch.cuda.synchronize()
        done = torch.cuda.Event()
        torch.cuda._sleep(200_000_000)  # about 0.1 s
        call(x, y)
        done.record()
        assert not done.query(), name
        torch.cuda.synchronize()


def test_work_is_queued_on_the_current_stream() -> None:
    x, y = (v.cuda() for v in draw(3000, 100, torch.float32))
    for name, call in calls():
        want = call(x, y)
        late = torch.zeros_like(x)
        torch.cuda.synchronize()
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            torch.cuda._sleep(50_000_000)
            late.copy_(x)
            got = call(late, y)  # on any other stream it would read zeros
        stream.synchronize()
        assert same(got, want), name


@pytest.mark.parametrize("k", [10, 100, 700, 3000])
def test_every_operator_can_be_captured(k: int) -> None:
    x, y = (v.cuda() for v in draw(3000, k, torch.float32))
    other, _ = (v.cuda() for v in draw(3000, k, torch.float32, 1.5))
    for name, call in calls(k=k):
        held = x.clone()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            call(held, y)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = call(held, y)
        for scores in (x, other, x):
            held.copy_(scores)
            graph.replay()
            torch.cuda.synchronize()
            assert same(result, call(scores, y)), name


def test_a_replayed_graph_tells_of_a_bad_row_when_asked() -> None:
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
        got = kernels.calibration_stats(x.to("cuda:1"), y.to("cuda:1"))
        assert got.count.device.index == 1
        assert torch.cuda.current_device() == 0
    assert torch.equal(got.count.cpu(), kernels.calibration_stats(x, y).count)


# --- bad rows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("k", [5, 300, 700, 1500])
def test_the_lowest_bad_row_is_told_at_the_first_look(dtype: torch.dtype, k: int) -> None:
    for where, call in EVERY.items():
        for value in (float("nan"), float("inf"), -float("inf")):
            x, y = draw(70, k, dtype)
            x[[34, 69, 40], [3, 0, 4]] = value
            with pytest.raises(InputError) as caught:
                [*call(x.cuda(), y.cuda())]
            assert caught.value.message.endswith("row 34: a score is NaN or infinite"), where
            assert caught.value.message.startswith(where), where
            if where not in LABELLED:
                continue
            for row, label in ((33, k), (2, -1)):
                y[row] = label
                with pytest.raises(InputError, match=rf"row {row}: the label is {label}, outside \[0, {k}\)"):
                    [*call(x.cuda(), y.cuda())]
            x[2, 1] = value
            with pytest.raises(InputError, match="row 2: a score is NaN or infinite"):
                [*call(x.cuda(), y.cuda())]


def test_a_bad_call_raises_later_and_not_before() -> None:
    x, y = draw(100, 10, torch.float32)
    x[5, 5] = float("nan")
    for name, call in UNLABELLED.items():
        rows = call(x.cuda(), y.cuda())  # not looked at: nothing is raised
        with pytest.raises(InputError, match=f"{name}: row 5"):
            next(rows)
    torch.cuda.synchronize()  # and the device is in order
    check_stats(*draw(10, 10, torch.float32))


def test_probabilities_and_confidences_outside_0_and_1() -> None:
    p = torch.full((9, 4), 0.25)
    p[6, 2] = -0.5
    with pytest.raises(InputError, match="row 6: a probability lies outside"):
        _ = kernels.calibration_stats(p.cuda(), torch.zeros(9).long().cuda(), from_probs=True).n
    with pytest.raises(InputError, match="row 6: a probability lies outside"):
        _ = kernels.classwise_stats(p.cuda(), torch.zeros(9).long().cuda(), from_probs=True).count
    confidence = torch.full((9,), 0.5, dtype=torch.float64, device="cuda")
    confidence[4] = 1.5
    with pytest.raises(InputError, match="row 4: a confidence lies outside"):
        _ = kernels.bootstrap_bins(confidence, torch.ones(9, device="cuda", dtype=torch.bool)).count


# --- the accumulator ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bins", [15, 100])
@pytest.mark.parametrize("k", [10, 100, 1000])
def test_batches_add_up_to_one_call(k: int, bins: int) -> None:
    x, y = (v.cuda() for v in draw(4000, k, torch.float32))
    accumulator = kernels.CalibrationAccumulator(bins, device="cuda")
    for start in range(0, 4000, 1000):
        accumulator.update(x[start : start + 1000], y[start : start + 1000])
    got, want = accumulator.compute(), kernels.calibration_stats(x, y, bins)
    for name in want._fields:
        torch.testing.assert_close(getattr(got, name), getattr(want, name), rtol=1e-15, atol=0)


def test_a_bad_batch_leaves_the_sums_as_they_were() -> None:
    x, y = (v.cuda() for v in draw(200, 10, torch.float32))
    state = torch.zeros(17, 4, device="cuda", dtype=torch.float64)
    fault = torch.tensor([2**63 - 1, 0], device="cuda")
    OPS.calibration_update(state, fault, x, y, 15, False)
    before = state.clone()
    assert float(before[:15, 0].sum()) == 200
    bad = y.clone()
    bad[3] = 77
    OPS.calibration_update(state, fault, x, bad, 15, False)
    assert torch.equal(state, before)
    assert fault.tolist() == [3 * 4 + 2, 77]
    OPS.calibration_update(state, fault, x, y, 15, False)  # nor does what follows it
    assert torch.equal(state, before)
    assert fault.tolist() == [3 * 4 + 2, 77]


# --- memory and torch.library ---------------------------------------------------------------------------------------


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
        sets = n * k if "sets" in name or "sigmoid" in name else 0  # they return one byte a score
        assert extra - sets < 100 * n + 40 * 24 * k * 15, (name, extra)
        del result


@pytest.mark.parametrize("k", [10, 700])
def test_opcheck(k: int) -> None:
    x, y = (v.cuda() for v in draw(60, k, torch.float32))
    t = torch.rand(k, device="cuda", dtype=torch.float64)
    u = torch.linspace(-1, 1, 3, device="cuda", dtype=torch.float64)
    edges = torch.empty(0, device="cuda", dtype=torch.float64)
    state = torch.zeros(17, 4, device="cuda", dtype=torch.float64)
    fault = torch.tensor([2**63 - 1, 0], device="cuda")
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
    for op, given in arguments.items():
        torch.library.opcheck(getattr(OPS, op).default, given)
