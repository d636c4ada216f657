"""The door of numpy gives the bits and the messages of the door of torch, for every kernel and every layout."""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from kernel_backends import assert_threads_change_nothing, bits, each_backend, needs_fused
from kernel_cases import confident, draw, layouts, overconfident
from kernel_doors import as_numpy, as_tensors, each_door, needs_numpy, operator, through
from kernel_ops import ALL_OPS

from calibench import kernels
from calibench.errors import InputError
from calibench.kernels.signatures import JUDGING_OPS, OPS

TYPES = (torch.float64, torch.float32, torch.float16)  # those of numpy
FUNCTIONS = {op: call for op, call in ALL_OPS.items() if op in OPS}
each_function = pytest.mark.parametrize("op", FUNCTIONS)


def both(op: str, x: torch.Tensor, y: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The result of a typed function through each door, as tensors."""
    of_torch, of_numpy = list(FUNCTIONS[op](x, y)), list(FUNCTIONS[op](as_numpy(x), as_numpy(y)))
    assert all(isinstance(field, np.ndarray) for field in of_numpy)
    return of_torch, [as_tensors(field) for field in of_numpy]


def assert_equal(op: str, x: torch.Tensor, y: torch.Tensor) -> None:
    of_torch, of_numpy = both(op, x, y)
    for expected, found in zip(of_torch, of_numpy, strict=True):
        assert expected.dtype == found.dtype
        assert expected.shape == found.shape
    assert bits(of_torch) == bits(of_numpy)


@pytest.mark.slow
@each_backend
@each_function
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_the_bits_are_those_of_torch(op: str, dtype: torch.dtype) -> None:
    for n, k in ((0, 3), (1, 1), (2, 1000), (67, 10), (300, 3)):
        assert_equal(op, *draw(n, k, dtype))
    x, y = draw(37, 12, dtype)
    for labels in (y.int(), y.to(torch.uint8), torch.stack([y, y], dim=1)[:, 0]):
        assert_equal(op, x, labels)
    for _, view in layouts(x):
        assert_equal(op, view, y)


@needs_fused
@each_function
def test_threads_change_no_bit(op: str) -> None:
    x, y = as_numpy(draw(5000, 10)[0]), as_numpy(draw(5000, 10)[1])
    assert_threads_change_nothing(lambda: [as_tensors(field) for field in FUNCTIONS[op](x, y)])


@each_backend
def test_edges_resamples_and_temperatures_too() -> None:
    x, y = confident(900, 4, 1.5)
    edges = torch.tensor([0.1, 0.4, 0.8], dtype=torch.float64)
    for bins in (7, edges, edges.float(), edges.expand(4, 3), edges[:0]):
        for threshold in (None, 0.2):
            run = partial(kernels.classwise_stats, threshold=threshold)
            assert bits(through("numpy", run, x, y, bins)) == bits(run(x, y, bins))
    confidence, right = overconfident(500)
    for answers in (right, right.double(), right.int()):
        run = partial(kernels.bootstrap_bins, resamples=20, seed=3)
        assert bits(through("numpy", run, confidence, answers)) == bits(run(confidence, answers))
    assert through("numpy", kernels.fit_temperature, x, y) == kernels.fit_temperature(x, y)
    u = torch.tensor([-0.5, 0.0, 1.0])
    assert bits(through("numpy", kernels.nll_curve, x, y, u)) == bits(kernels.nll_curve(x, y, u))
    for limits in (0.4, [0.1, 0.2, 0.3, 0.4], torch.tensor([1, 0, 1, 0]), torch.tensor([0.3, 0.1, 0.2, 0.6])):
        run = partial(kernels.softmax_threshold, strict=True)
        assert bits(through("numpy", run, x, limits)) == bits(run(x, limits))


@needs_numpy
@needs_fused
def test_each_operator_has_both_doors() -> None:
    """The state of `calibration_update` is changed in place, also in numpy's memory."""
    x, y = draw(300, 5, torch.float32)
    results = []
    for door in ("torch", "numpy"):
        state, fault = torch.zeros(17, 4, dtype=torch.float64), torch.tensor([2**63 - 1, 0])
        assert operator(door, "calibration_update")(state, fault, x, y, 15, False) in {None, ()}
        results.append(bits([state, fault]))
    assert results[0] == results[1]
    frozen = state.numpy()
    frozen.flags.writeable = False
    with pytest.raises(RuntimeError, match="an array that the operator changes is read-only"):
        kernels.loader.numpy_operator("calibration_update")(frozen, *map(as_numpy, (fault, x, y)), 15, False)
    assert set(kernels.numpy_operators.numpy_operators().functions) == {*OPS, *JUDGING_OPS}


def nan_in_row(x: torch.Tensor, row: int) -> torch.Tensor:
    out = x.clone()
    out[row, 0] = math.nan
    return out


X, Y = draw(9, 3)
P = X.softmax(dim=1)
REFUSED: dict[str, Callable[[str], Any]] = {
    "a bad score": lambda door: through(door, kernels.calibration_stats, nan_in_row(X, 4), Y),
    "a bad label": lambda door: through(door, kernels.calibration_stats, X, Y + 2),
    "a bad probability": lambda door: through(door, kernels.calibration_stats, X, Y, from_probs=True),
    "one dimension": lambda door: through(door, kernels.calibration_stats, X[0], Y),
    "no classes": lambda door: through(door, kernels.calibration_stats, X[:, :0], Y),
    "whole scores": lambda door: through(door, kernels.classwise_stats, X.short(), Y),
    "complex scores": lambda door: through(door, kernels.nll_curve, X.to(torch.complex64), Y, [0.0]),
    "labels of two dimensions": lambda door: through(door, kernels.classwise_stats, X, Y[:, None]),
    "float labels": lambda door: through(door, kernels.nll_curve, X, Y.float(), [0.0]),
    "other length": lambda door: through(door, kernels.fit_temperature, X, Y[1:]),
    "no rows": lambda door: through(door, kernels.fit_temperature, X[:0], Y[:0]),
    "no minimum": lambda door: through(door, kernels.fit_temperature, torch.eye(3).double()[Y] * 9, Y),
    "far apart": lambda door: through(door, kernels.fit_temperature, X * 1e150, Y),
    "no bins": lambda door: through(door, kernels.calibration_stats, X, Y, 0),
    "edges of whole numbers": lambda door: through(door, kernels.classwise_stats, X, Y, torch.tensor([0, 1])),
    "edges of other classes": lambda door: through(door, kernels.classwise_stats, X, Y, torch.zeros(2, 3).double()),
    "an edge that is NaN": lambda door: through(door, kernels.classwise_stats, X, Y, torch.tensor([math.nan])),
    "edges that fall": lambda door: through(
        door, kernels.classwise_stats, X, Y, torch.tensor([[0.1, 0.2], [0.3, 0.2], [0, 1]])
    ),
    "a confidence": lambda door: through(door, kernels.bootstrap_bins, P[:, 0] + 1, P[:, 0] > 0.5),
    "a confidence that is NaN": lambda door: through(door, kernels.bootstrap_bins, P[:, 0] * math.nan, P[:, 0] > 0.5),
    "two right answers": lambda door: through(door, kernels.bootstrap_bins, P[:, 0], torch.arange(9)),
    "complex answers": lambda door: through(door, kernels.bootstrap_bins, P[:, 0], P[:, 0].to(torch.complex64)),
    "curve at infinity": lambda door: through(door, kernels.nll_curve, X, Y, torch.tensor([math.inf])),
    "curve of a table": lambda door: through(door, kernels.nll_curve, X, Y, torch.zeros(2, 2)),
    "thresholds of a table": lambda door: through(door, kernels.softmax_threshold, X, torch.zeros(1, 3)),
    "two thresholds": lambda door: through(door, kernels.softmax_threshold_sets, X, torch.zeros(2)),
    "a threshold that is NaN": lambda door: through(door, kernels.sigmoid_threshold, X, torch.tensor([math.nan])),
    "thresholds of yes and no": lambda door: through(door, kernels.sigmoid_threshold, X, torch.tensor([True])),
}


@each_backend
@pytest.mark.parametrize("case", REFUSED)
def test_the_messages_are_those_of_torch(case: str) -> None:
    messages = []
    for door in ("torch", "numpy"):
        with pytest.raises(Exception, match=r"^\w+: ") as raised:
            REFUSED[case](door)
        messages.append((type(raised.value), raised.value.message))
    assert messages[0] == messages[1]


BOTH_KINDS: dict[str, Callable[[], Any]] = {
    "labels": lambda: kernels.calibration_stats(as_numpy(X), Y),
    "edges": lambda: kernels.classwise_stats(X, Y, np.array([0.5])),
    "answers": lambda: kernels.bootstrap_bins(as_numpy(P[:, 0]), P[:, 0] > 0.5),
    "columns": lambda: kernels.resample_sums(
        kernels.resample_counts(9, 0, 3, 0, numpy=True), [X[:, 0]], torch.tensor([9])
    ),
}


@pytest.mark.parametrize("case", BOTH_KINDS)
def test_arrays_of_two_kinds_are_refused(case: str) -> None:
    with pytest.raises(InputError, match="one array is of numpy and another of torch\ngive both as one kind"):
        BOTH_KINDS[case]()


class Subclass(np.ndarray):
    """A subclass that nobody knows."""


x, y = as_numpy(X), as_numpy(Y)
STRANGE: dict[str, tuple[Any, str]] = {
    "big-endian": (x.astype(">f8"), r"have the byte order of another machine \(>f8\)"),
    "backwards": (x[::-1], "run backwards or are not aligned"),
    "columns backwards": (x[:, ::-1], "run backwards or are not aligned"),
    "between the bytes": (np.frombuffer(b"0" + x.tobytes(), offset=1).reshape(9, 3), "run backwards or are not"),
    "between the numbers": (np.zeros(9, dtype="f4, 3f8")["f1"], "run backwards or are not aligned"),
    "masked": (np.ma.masked_array(x, x > 0), "are a MaskedArray, not an array"),
    "another subclass": (x.view(Subclass), "are a Subclass, not an array"),
    "a list": (x.tolist(), "are a list, not a tensor"),
    "bfloat16 as bytes": (np.zeros((9, 3), np.uint16), "have type uint16"),
}


@each_backend
@pytest.mark.parametrize("case", STRANGE)
def test_a_strange_array_is_refused(case: str) -> None:
    array, message = STRANGE[case]
    with pytest.raises(InputError, match=f"calibration_stats: scores {message}") as raised:
        kernels.calibration_stats(array, y)
    assert raised.value.hint
    counts = kernels.resample_counts(9, 0, 3, 0, numpy=True)
    if isinstance(array, np.ndarray) and array.dtype != np.uint16:
        with pytest.raises(InputError, match="resample_class_gaps: numbers"):
            kernels.resample_class_gaps(counts, array, y)


@needs_numpy
@pytest.mark.parametrize("case", [name for name in STRANGE if name not in {"masked", "another subclass", "a list"}])
def test_the_operator_itself_refuses_a_strange_array(case: str) -> None:
    with pytest.raises(RuntimeError, match=r"^calibench: (argument 0 |scores have type another type, not)"):
        kernels.loader.numpy_operator("calibration_stats")(STRANGE[case][0], y, 15, False, False)


@needs_numpy
def test_the_operator_itself_refuses_other_arguments() -> None:
    call = kernels.loader.numpy_operator("calibration_stats")
    for arguments, message in (
        ((x, y, 15, False), "calibration_stats takes 5 arguments, not 4"),
        ((x.tolist(), y, 15, False, False), "argument 0 is no numpy array"),
        ((x, y, 2.5, False, False), "argument 2 is no int"),
        ((x, y, 1 << 63, False, False), "argument 2 is no int"),
        ((x, y, 15, "yes", False), "argument 3 is no bool"),
    ):
        with pytest.raises(TypeError, match=f"^calibench: {message}"):
            call(*arguments)


@needs_numpy
def test_a_call_keeps_no_array_and_a_result_keeps_its_numbers() -> None:
    """Also a call that fails: the buffer of its first argument, which counts as a reference, is given back."""
    call = kernels.loader.numpy_operator("softmax_threshold")
    scores, thresholds = x.copy(), np.array([0.5])
    before = sys.getrefcount(scores), sys.getrefcount(thresholds)
    first = call(scores, thresholds, True)[1]
    expected = first.copy()
    for _ in range(100):
        call(scores, thresholds, True)
        with pytest.raises(TypeError):
            call(scores, "no array", True)
    assert (sys.getrefcount(scores), sys.getrefcount(thresholds)) == before
    np.testing.assert_array_equal(first, expected)
    first[0] = 7.0
    assert first.flags.writeable
    assert not first.flags.owndata


@each_backend
def test_arrays_that_may_only_be_read_are_taken() -> None:
    frozen, labels = x.copy(), y.copy()
    frozen.flags.writeable = labels.flags.writeable = False
    assert bits(map(as_tensors, kernels.calibration_stats(frozen, labels))) == bits(kernels.calibration_stats(X, Y))
    by_columns = np.asfortranarray(x)
    assert bits(map(as_tensors, kernels.calibration_stats(by_columns, y))) == bits(kernels.calibration_stats(X, Y))


@each_backend
def test_a_memory_map_is_an_array(tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert isinstance(mapped, np.memmap)
    assert kernels.calibration_stats(mapped, y).n == 9


@each_door
def test_no_rows_give_zeros(door: str) -> None:
    stats, samples = through(door, partial(kernels.calibration_stats, return_samples=True), X[:0], Y[:0])
    assert [float(field.sum()) for field in map(torch.as_tensor, stats)] == [0.0] * 7
    assert [len(field) for field in samples] == [0] * 5


@needs_numpy
def test_python_threads_may_call_at_once() -> None:
    """While one call has the threads, others do their work alone: the bits are the same."""
    scores, labels = (as_numpy(tensor) for tensor in draw(20_000, 10))
    expected = [field.tobytes() for field in kernels.calibration_stats(scores, labels)]
    found: list[list[bytes]] = []

    def work() -> None:
        found.extend([field.tobytes() for field in kernels.calibration_stats(scores, labels)] for _ in range(10))

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [expected] * 60


@needs_numpy
def test_a_fork_has_threads_of_its_own() -> None:
    scores, labels = (as_numpy(tensor) for tensor in draw(20_000, 10))
    before = kernels.threads()
    kernels.loader.numpy_operator("calibration_stats")(scores, labels, 15, False, False)
    child = os.fork()
    if child == 0:
        try:
            kernels.loader.numpy_operator("calibration_stats")(scores, labels, 15, False, False)
            os._exit(0 if kernels.threads() == before else 1)
        except BaseException:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2"])
def test_a_number_of_threads_is_a_whole_number_from_one(count: Any) -> None:
    before = kernels.threads()
    with pytest.raises(InputError, match=r"the number of threads is .*, not a whole number from 1 to 1024"):
        kernels.set_threads(count)
    assert kernels.threads() == before
