"""CalibrationAccumulator: the bits of one call for any batches; merged, pickled and refused accumulators."""

from __future__ import annotations

import copy
import itertools
import math
import pickle

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_accumulators import assert_stats_close, filled
from kernel_backends import assert_threads_change_nothing, bits
from kernel_cases import draw
from kernel_definitions import TYPES

from calibench import kernels
from calibench.errors import InputError
from calibench.kernels import CalibrationAccumulator, chunk_rows

pytestmark = [
    pytest.mark.usefixtures("backend"),
    pytest.mark.filterwarnings("default::calibench.errors.CalibenchWarning"),
]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize(("n", "k", "bins"), [(5000, 10, 15), (700, 1000, 15), (2500, 1, 1), (3000, 4, 300)])
def test_equals_one_call_to_the_last_bit(n: int, k: int, bins: int, dtype: torch.dtype) -> None:
    x, y = draw(n, k, dtype)
    step = chunk_rows(k, bins)
    assert n > 2 * step
    for from_probs in (False, True):
        scores = x.double().softmax(dim=1).to(dtype) if from_probs else x
        expected = bits(kernels.calibration_stats(scores, y, bins, from_probs=from_probs))
        for rows in (step, 2 * step, n):
            assert bits(filled(scores, y, rows, bins, from_probs).compute()) == expected, rows


def test_the_kernel_sums_chunks_of_chunk_rows() -> None:
    """Sum and carry are compared apart: their total is so sharp that other chunks rarely change a result."""
    x, y = draw(20_000, 10)
    whole = filled(x, y, len(x))._state
    sizes = [chunk_rows(k, m) for k, m in ((1, 15), (256, 15), (1000, 15), (200_000, 15), (10, 1000))]
    assert sizes == [1024, 1024, 262, 64, 4000]
    step = chunk_rows(10, 15)
    assert torch.equal(filled(x, y, step)._state, whole)
    assert torch.equal(filled(x, y, 3 * step)._state, whole)
    for rows in (step - 1, step + 1, step // 2):
        assert not torch.equal(filled(x, y, rows)._state, whole), rows


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(0, 300), max_size=8),
    k=st.integers(1, 12),
    bins=st.sampled_from([1, 7, 15, 100]),
    seed=st.integers(0, 100),
)
def test_batches_of_any_size_and_any_order_of_merging(cuts: list[int], k: int, bins: int, seed: int) -> None:
    x, y = draw(300, k, seed=seed)
    expected = kernels.calibration_stats(x, y, bins)
    ends = [0, *sorted(cuts), 300]
    parts = [filled(x[a:b], y[a:b], 300, bins) for a, b in itertools.pairwise(ends)]
    for order in (parts, parts[::-1]):
        merged = CalibrationAccumulator(bins)
        for part in order:
            merged.merge(part)
        assert_stats_close(merged.compute(), expected)
    # (a + b) + c and a + (b + c)
    left, right = copy.deepcopy(parts[0]), copy.deepcopy(parts[-1])
    for part in parts[1:]:
        left.merge(part)
    for part in parts[-2::-1]:
        front = copy.deepcopy(part)
        front.merge(right)
        right = front
    assert_stats_close(left.compute(), right.compute())


def test_merging_single_chunks_in_order_has_the_bits_of_one_call() -> None:
    """Either way the sums of chunks are added one by one."""
    x, y = draw(5000, 10, torch.float32)
    step = chunk_rows(10, 15)
    merged = CalibrationAccumulator()
    for start in range(0, 5000, step):
        merged.merge(filled(x[start : start + step], y[start : start + step], step))
    assert bits(merged.compute()) == bits(kernels.calibration_stats(x, y))


def test_sums_stay_exact_over_many_batches() -> None:
    x = torch.zeros(8, 10, dtype=torch.float64)
    x[:, 0] = 0.1
    y = torch.zeros(8, dtype=torch.int64)
    accumulator = filled(x, y, 8)
    merged = copy.deepcopy(accumulator)
    for _ in range(300):
        accumulator.update(x, y)
        merged.merge(filled(x, y, 8))
    for stats in (accumulator.compute(), merged.compute()):
        one = float(kernels.calibration_stats(x[:1], y[:1]).nll_sum)
        assert float(stats.nll_sum) == pytest.approx(2408 * one, rel=4e-16)
        assert stats.n == 2408


def test_an_infinite_nll_stays_infinite() -> None:
    x, y = torch.tensor([[1.7e308, -1.7e308], [1.0, 0.0]], dtype=torch.float64), torch.tensor([1, 0])
    accumulator = filled(x, y, 1)
    accumulator.merge(filled(x, y, 2))
    accumulator.update(x[1:], y[1:])
    assert accumulator.compute().nll_sum == math.inf
    assert accumulator.compute().brier_sum.isfinite()


def test_compute_changes_nothing_and_reset_forgets_all() -> None:
    x, y = draw(100, 4)
    accumulator = filled(x, y, 100)
    first = accumulator.compute()
    expected = bits(first)
    accumulator.update(x, y)
    assert bits(first) == expected
    assert accumulator.compute().n == 200
    first.count.zero_()
    assert accumulator.compute().count.sum() == 200
    accumulator.reset()
    assert bits(accumulator.compute()) == bits(CalibrationAccumulator().compute())
    accumulator.update(x, y)
    assert bits(accumulator.compute()) == expected


def test_empty_batches_and_empty_accumulators() -> None:
    x, y = draw(10, 4)
    accumulator = filled(x, y, 10)
    expected = bits(accumulator.compute())
    accumulator.update(x[:0], y[:0])
    accumulator.merge(CalibrationAccumulator())
    assert bits(accumulator.compute()) == expected
    assert CalibrationAccumulator(3).compute().count.tolist() == [0, 0, 0]


def test_a_bad_batch_leaves_the_sums_as_they_were() -> None:
    x, y = draw(3000, 10)
    accumulator = filled(x, y, 3000)
    expected = bits(accumulator.compute())
    bad = x.clone()
    bad[[2500, 2900], 3] = math.nan
    with pytest.raises(InputError, match=r"^CalibrationAccumulator.update: row 2500: a score is NaN or infinite\n"):
        accumulator.update(bad, y)
    with pytest.raises(InputError, match=r"row 7: the label is 10, outside \[0, 10\)"):
        accumulator.update(x, y.index_fill(0, torch.tensor([7]), 10))
    assert bits(accumulator.compute()) == expected
    fresh = CalibrationAccumulator(from_probs=True)
    with pytest.raises(InputError, match="row 0: a probability lies outside"):
        fresh.update(x, y)
    fresh.update(x[:, :5].softmax(dim=1), y % 5)  # a refused batch does not fix the number of classes
    assert fresh.compute().n == 3000


def test_different_bins_scores_classes_and_devices_are_refused() -> None:
    x, y = draw(10, 4)
    accumulator = filled(x, y, 10)
    for part, message in (
        (CalibrationAccumulator(10), "bins=10 does not go with bins=15"),
        (CalibrationAccumulator(from_probs=True), "from_probs=True does not go with from_probs=False"),
        (filled(*draw(5, 3), 5), "3 classes after batches of 4"),
        (accumulator.compute(), "cannot merge a CalibrationStats"),
    ):
        with pytest.raises(InputError, match=message):
            accumulator.merge(part)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="3 classes after batches of 4"):
        accumulator.update(*draw(5, 3))
    with pytest.raises(InputError, match="scores are on meta and the sums on cpu"):
        accumulator.update(x.to("meta"), y.to("meta"))
    with pytest.raises(InputError, match="not differentiable"):
        accumulator.update(x.clone().requires_grad_(), y)
    with pytest.raises(InputError, match="bins is 0"):
        CalibrationAccumulator(0)
    with pytest.raises(InputError, match=r"torch.distributed is not initialised\n.*init_process_group"):
        accumulator.all_reduce()
    assert accumulator.compute().n == 10


def test_threads_change_nothing() -> None:
    x, y = draw(20_000, 7, torch.float32)
    assert_threads_change_nothing(lambda: filled(x, y, 3000).compute())


def test_pickles_and_copies_share_nothing() -> None:
    x, y = draw(3000, 10)
    accumulator = filled(x, y, 1024, bins=7)
    for twin in (pickle.loads(pickle.dumps(accumulator)), copy.deepcopy(accumulator), copy.copy(accumulator)):
        assert bits(twin.compute()) == bits(accumulator.compute())
        assert repr(twin) == repr(accumulator) == "CalibrationAccumulator(7, device='cpu')"
        twin.update(x, y)
        assert twin.compute().n == 6000
        assert accumulator.compute().n == 3000
        with pytest.raises(InputError, match="3 classes after batches of 10"):
            twin.update(*draw(5, 3))
    assert len(pickle.dumps(accumulator)) == pytest.approx(len(pickle.dumps(filled(x[:5], y[:5], 5, bins=7))), abs=16)


def test_a_fault_on_a_gpu_is_raised_at_the_first_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """On CUDA the kernel writes the fault and nobody waits for it. Here the test writes it."""
    accumulator = filled(*draw(10, 4), 10)
    monkeypatch.setattr(CalibrationAccumulator, "device", property(lambda self: torch.device("cuda")))
    accumulator._fault[:] = torch.tensor([3 * 4 + 2, 9])
    stats = accumulator.compute()
    for read in (lambda: stats.n, lambda: list(stats), lambda: repr(stats), stats.check):
        with pytest.raises(InputError, match=r"one of the batches\): row 3: the label is 9, outside \[0, 4\)"):
            read()


def test_merging_keeps_the_lowest_fault() -> None:
    first, second = CalibrationAccumulator(), CalibrationAccumulator()
    first._fault[:] = torch.tensor([9 * 4 + 1, 0])
    second._fault[:] = torch.tensor([3 * 4 + 2, 7])
    merged = CalibrationAccumulator()
    for part in (first, second, CalibrationAccumulator()):
        merged.merge(part)
    assert merged._fault.tolist() == [14, 7]
    merged.reset()
    assert merged._fault.tolist() == [2**63 - 1, 0]
