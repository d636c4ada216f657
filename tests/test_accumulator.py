"""CalibrationAccumulator: the bits of one call, however rows arrive; merged, pickled, reduced over processes, and refused."""

from __future__ import annotations

import copy
import itertools
import math
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import multiprocessing

import calibench
from calibench import kernels
from calibench.errors import InputError
from calibench.kernels import CalibrationAccumulator, chunk_rows

pytestmark = [
    pytest.mark.usefixtures("backend"),
    pytest.mark.filterwarnings("default::calibench.errors.CalibenchWarning"),
]

TYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


def draw(n: int, k: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = 3 * torch.randn(n, k, generator=generator, dtype=torch.float64)
    return x.to(dtype), torch.randint(0, k, (n,), generator=generator)


def fed(
    x: torch.Tensor, y: torch.Tensor, step: int, bins: int = 15, from_probs: bool = False
) -> CalibrationAccumulator:
    accumulator = CalibrationAccumulator(bins, from_probs=from_probs)
    for start in range(0, len(x), step):
        accumulator.update(x[start : start + step], y[start : start + step])
    return accumulator


def bits(stats: kernels.CalibrationStats) -> list[bytes]:
    return [field.numpy().tobytes() for field in stats]


def assert_close(got: kernels.CalibrationStats, want: kernels.CalibrationStats, rtol: float = 1e-14) -> None:
    for name in ("count", "correct_sum", "correct", "n"):
        assert torch.equal(getattr(got, name), getattr(want, name)), name
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=rtol, atol=0)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize(("n", "k", "bins"), [(5000, 10, 15), (700, 1000, 15), (2500, 1, 1), (3000, 4, 300)])
def test_equals_one_call_to_the_last_bit(n: int, k: int, bins: int, dtype: torch.dtype) -> None:
    x, y = draw(n, k, dtype)
    step = chunk_rows(k, bins)
    assert n > 2 * step
    for from_probs in (False, True):
        scores = x.double().softmax(dim=1).to(dtype) if from_probs else x
        want = bits(kernels.calibration_stats(scores, y, bins, from_probs=from_probs))
        for rows in (step, 2 * step, n):
            assert bits(fed(scores, y, rows, bins, from_probs).compute()) == want, rows


def test_the_chunk_is_what_the_kernel_uses() -> None:
    """Sum and carry together are so sharp that other chunks rarely show in a result; apart they do."""
    x, y = draw(20_000, 10)
    whole = fed(x, y, len(x))._state
    sizes = [chunk_rows(k, m) for k, m in ((1, 15), (256, 15), (1000, 15), (200_000, 15), (10, 1000))]
    assert sizes == [1024, 1024, 262, 64, 4000]
    step = chunk_rows(10, 15)
    assert torch.equal(fed(x, y, step)._state, whole)
    assert torch.equal(fed(x, y, 3 * step)._state, whole)
    for rows in (step - 1, step + 1, step // 2):
        assert not torch.equal(fed(x, y, rows)._state, whole), rows


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(0, 300), max_size=8),
    k=st.integers(1, 12),
    bins=st.sampled_from([1, 7, 15, 100]),
    seed=st.integers(0, 100),
)
def test_batches_of_any_size_and_any_order_of_merging(cuts: list[int], k: int, bins: int, seed: int) -> None:
    x, y = draw(300, k, seed=seed)
    want = kernels.calibration_stats(x, y, bins)
    ends = [0, *sorted(cuts), 300]
    parts = [fed(x[a:b], y[a:b], 300, bins) for a, b in itertools.pairwise(ends)]
    for order in (parts, parts[::-1]):
        merged = CalibrationAccumulator(bins)
        for part in order:
            merged.merge(part)
        assert_close(merged.compute(), want)
    # (a + b) + c and a + (b + c)
    left, right = copy.deepcopy(parts[0]), copy.deepcopy(parts[-1])
    for part in parts[1:]:
        left.merge(part)
    for part in parts[-2::-1]:
        rest = copy.deepcopy(part)
        rest.merge(right)
        right = rest
    assert_close(left.compute(), right.compute())


def test_merging_in_order_is_feeding_on() -> None:
    """Chunk sums enter one by one either way, so a merge of single chunks has the bits of one call."""
    x, y = draw(5000, 10, torch.float32)
    step = chunk_rows(10, 15)
    merged = CalibrationAccumulator()
    for start in range(0, 5000, step):
        merged.merge(fed(x[start : start + step], y[start : start + step], step))
    assert bits(merged.compute()) == bits(kernels.calibration_stats(x, y))


def test_sums_stay_exact_over_many_batches() -> None:
    x = torch.zeros(8, 10, dtype=torch.float64)
    x[:, 0] = 0.1
    y = torch.zeros(8, dtype=torch.int64)
    accumulator = fed(x, y, 8)
    other = copy.deepcopy(accumulator)
    for _ in range(300):
        accumulator.update(x, y)
        other.merge(fed(x, y, 8))
    for a in (accumulator, other):
        stats = a.compute()
        one = float(kernels.calibration_stats(x[:1], y[:1]).nll_sum)
        assert float(stats.nll_sum) == pytest.approx(2408 * one, rel=4e-16)
        assert stats.n == 2408


def test_an_infinite_nll_stays_infinite() -> None:
    x, y = torch.tensor([[1.7e308, -1.7e308], [1.0, 0.0]], dtype=torch.float64), torch.tensor([1, 0])
    accumulator = fed(x, y, 1)
    accumulator.merge(fed(x, y, 2))
    accumulator.update(x[1:], y[1:])
    assert accumulator.compute().nll_sum == math.inf
    assert accumulator.compute().brier_sum.isfinite()


def test_computing_changes_nothing_and_resetting_forgets() -> None:
    x, y = draw(100, 4)
    accumulator = fed(x, y, 100)
    first = accumulator.compute()
    kept = bits(first)
    accumulator.update(x, y)
    assert bits(first) == kept
    assert accumulator.compute().n == 200
    first.count.zero_()
    assert accumulator.compute().count.sum() == 200
    accumulator.reset()
    assert bits(accumulator.compute()) == bits(CalibrationAccumulator().compute())
    accumulator.update(x, y)
    assert bits(accumulator.compute()) == kept


def test_empty_batches_and_empty_accumulators() -> None:
    x, y = draw(10, 4)
    accumulator = fed(x, y, 10)
    want = bits(accumulator.compute())
    accumulator.update(x[:0], y[:0])
    accumulator.merge(CalibrationAccumulator())
    assert bits(accumulator.compute()) == want
    assert CalibrationAccumulator(3).compute().count.tolist() == [0, 0, 0]


def test_a_bad_batch_leaves_the_sums_as_they_were() -> None:
    x, y = draw(3000, 10)
    accumulator = fed(x, y, 3000)
    want = bits(accumulator.compute())
    bad = x.clone()
    bad[[2500, 2900], 3] = math.nan
    with pytest.raises(InputError, match=r"^CalibrationAccumulator.update: row 2500: a score is NaN or infinite\n"):
        accumulator.update(bad, y)
    with pytest.raises(InputError, match=r"row 7: the label is 10, outside \[0, 10\)"):
        accumulator.update(x, y.index_fill(0, torch.tensor([7]), 10))
    assert bits(accumulator.compute()) == want
    fresh = CalibrationAccumulator(from_probs=True)
    with pytest.raises(InputError, match="row 0: a probability lies outside"):
        fresh.update(x, y)
    fresh.update(x[:, :5].softmax(dim=1), y % 5)  # a batch that failed fixes nothing, not even the classes
    assert fresh.compute().n == 3000


def test_what_does_not_fit_is_refused() -> None:
    x, y = draw(10, 4)
    accumulator = fed(x, y, 10)
    for other, message in (
        (CalibrationAccumulator(10), "bins=10 does not go with bins=15"),
        (CalibrationAccumulator(from_probs=True), "from_probs=True does not go with from_probs=False"),
        (fed(*draw(5, 3), 5), "3 classes after batches of 4"),
        (accumulator.compute(), "cannot merge a CalibrationStats"),
    ):
        with pytest.raises(InputError, match=message):
            accumulator.merge(other)  # type: ignore[arg-type]
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
    threads = torch.get_num_threads()
    try:
        found = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(bits(fed(x, y, 3000).compute()))
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1] == found[2]


def test_it_is_pickled_and_copied() -> None:
    x, y = draw(3000, 10)
    accumulator = fed(x, y, 1024, bins=7)
    for other in (pickle.loads(pickle.dumps(accumulator)), copy.deepcopy(accumulator), copy.copy(accumulator)):
        assert bits(other.compute()) == bits(accumulator.compute())
        assert repr(other) == repr(accumulator) == "CalibrationAccumulator(7, device='cpu')"
        other.update(x, y)
        assert other.compute().n == 6000
        assert accumulator.compute().n == 3000  # nothing is shared
        with pytest.raises(InputError, match="3 classes after batches of 10"):
            other.update(*draw(5, 3))
    assert len(pickle.dumps(accumulator)) == pytest.approx(len(pickle.dumps(fed(x[:5], y[:5], 5, bins=7))), abs=16)


LOAD = """
import pickle, sys
from calibench import kernels
accumulator = pickle.loads(bytes.fromhex(sys.argv[1]))
assert not kernels.extension_status().loaded, kernels.extension_status()
print([field.numpy().tobytes().hex() for field in accumulator.compute()])
"""


def test_it_loads_where_nothing_is_compiled(tmp_path: Path) -> None:
    shutil.copytree(
        Path(calibench.__file__).parent, tmp_path / "calibench", ignore=shutil.ignore_patterns("*.so", "__pycache__")
    )
    accumulator = fed(*draw(3000, 10), 1024)
    command = [sys.executable, "-c", LOAD, pickle.dumps(accumulator).hex()]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str([blob.hex() for blob in bits(accumulator.compute())])


# --- processes ----------------------------------------------------------------------------------------------------------

SHARDS = {
    "odd": (700, 2301),
    "an empty one": (0, 3000),
    "chunks": (1024, 1024 + 952),
}


def on_a_rank(rank: int, folder: str, task: str) -> None:
    """What each of two processes does; what it finds goes to a file of its own."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    try:
        found = TASKS[task](rank)
    except InputError as error:
        found = error.message
    finally:
        torch.distributed.destroy_process_group()
    torch.save(found, f"{folder}/{rank}.pt")


def reduce_shards(rank: int) -> dict[str, list[bytes]]:
    found = {}
    for name, sizes in SHARDS.items():
        x, y = draw(sum(sizes), 10, torch.float32)
        part = slice(0, sizes[0]) if rank == 0 else slice(sizes[0], None)
        accumulator = fed(x[part], y[part], 1024)
        accumulator.all_reduce()
        assert accumulator.num_classes == 10  # also on the rank that saw no row
        found[name] = bits(accumulator.compute())
    return found


def reduce_different_bins(rank: int) -> str:
    CalibrationAccumulator(10 + 5 * rank).all_reduce()
    return "reduced"


def reduce_different_classes(rank: int) -> str:
    fed(*draw(10, 3 + rank), 10).all_reduce()
    return "reduced"


TASKS = {"shards": reduce_shards, "bins": reduce_different_bins, "classes": reduce_different_classes}


def on_two_ranks(task: str, folder: Path) -> list[object]:
    multiprocessing.start_processes(on_a_rank, args=(str(folder), task), nprocs=2, start_method="fork")
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forked")
def test_ranks_reduce_to_the_bits_of_merging_in_their_order(tmp_path: Path) -> None:
    first, second = on_two_ranks("shards", tmp_path)
    assert first == second
    for name, sizes in SHARDS.items():
        x, y = draw(sum(sizes), 10, torch.float32)
        merged = fed(x[: sizes[0]], y[: sizes[0]], 1024)
        merged.merge(fed(x[sizes[0] :], y[sizes[0] :], 1024))
        assert first[name] == bits(merged.compute()), name  # type: ignore[index]
        assert_close(merged.compute(), kernels.calibration_stats(x, y))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the processes are forked")
@pytest.mark.parametrize(
    ("task", "messages"),
    [
        ("bins", ("rank 1: bins=15 does not go with bins=10", "rank 0: bins=10 does not go with bins=15")),
        ("classes", ("rank 1: 4 classes after batches of 3", "rank 0: 3 classes after batches of 4")),
    ],
)
def test_ranks_that_differ_are_refused_on_every_rank(task: str, messages: tuple[str, str], tmp_path: Path) -> None:
    found = on_two_ranks(task, tmp_path)
    assert found == [f"CalibrationAccumulator.all_reduce: {message}" for message in messages]


# --- lazily told ----------------------------------------------------------------------------------------------------


def test_a_fault_that_was_not_waited_for_is_told_at_the_first_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on CUDA, where the kernel writes the fault and nobody waits: here the flag is written by hand."""
    accumulator = fed(*draw(10, 4), 10)
    monkeypatch.setattr(CalibrationAccumulator, "device", property(lambda self: torch.device("cuda")))
    accumulator._fault[:] = torch.tensor([3 * 4 + 2, 9])
    stats = accumulator.compute()
    for look in (lambda: stats.n, lambda: list(stats), lambda: repr(stats), stats.check):
        with pytest.raises(InputError, match=r"one of the batches\): row 3: the label is 9, outside \[0, 4\)"):
            look()


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
