"""Refused inputs, with the same messages on each backend: the lowest bad row at any position, shapes, types, gradients."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from kernel_backends import each_backend, fused_only
from kernel_cases import draw
from kernel_definitions import TYPES
from kernel_ops import ALL_OPS, LABELLED

from calibench import kernels
from calibench.errors import InputError

BAD = [float("nan"), float("inf"), -float("inf")]

each_op = pytest.mark.parametrize("op", ALL_OPS)
each_labelled = pytest.mark.parametrize("op", LABELLED)


def refused(call: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    """The message of the InputError that the call raises; its hint must not be empty."""
    with pytest.raises(InputError) as excinfo:
        call(*arguments, **options)
    assert excinfo.value.hint
    return excinfo.value.message


def run(op: str, x: torch.Tensor, y: torch.Tensor) -> None:
    list(ALL_OPS[op](x, y))


@fused_only
@each_op
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_bad_score_is_found_in_every_column(op: str, dtype: torch.dtype) -> None:
    """Also -inf, which is never a maximum and whose exponential is 0; also in the masked tail of a vector."""
    values = itertools.cycle(BAD)
    for k in (1, 2, 10, 17, 47):
        x, y = draw(3, k, dtype)
        for column in range(k):
            original, x[1, column] = x[1, column].clone(), next(values)
            assert refused(run, op, x, y) == f"{op}: row 1: a score is NaN or infinite", (k, column, x[1, column])
            x[1, column] = original
        run(op, x, y)


@pytest.mark.slow
@fused_only
@each_op
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_bad_score_is_found_in_every_row(op: str, dtype: torch.dtype) -> None:
    """For numbers of rows around the width of a vector, whose last lanes are masked."""
    values = itertools.cycle(BAD)
    for n in (1, 8, 9, 15, 17, 33, 65):
        for k in (2, 10):
            x, y = draw(n, k, dtype)
            for row in range(n) if n < 34 else (0, 15, 16, 31, 32, 47, 48, n - 2, n - 1):
                column = row % k
                original, x[row, column] = x[row, column].clone(), next(values)
                assert refused(run, op, x, y) == f"{op}: row {row}: a score is NaN or infinite", (n, k)
                x[row, column] = original


@fused_only
@each_labelled
@pytest.mark.parametrize("dtype", TYPES[:3], ids=str)
def test_a_bad_label_is_found_in_every_row(op: str, dtype: torch.dtype) -> None:
    for n, k in ((1, 3), (9, 2), (17, 10), (33, 3), (65, 1), (19, 300)):
        x, y = draw(n, k, dtype)
        for row, wrong in zip(range(n), itertools.cycle([k, -1, 2**40, -(2**63), k + 2**32, 2**63 - 1]), strict=False):
            original, y[row] = y[row].clone(), wrong
            assert refused(run, op, x, y) == f"{op}: row {row}: the label is {wrong}, outside [0, {k})", n
            y[row] = original
    x, y = draw(9, 200, dtype)
    for kind, wrong in ((torch.int32, -1), (torch.int32, 2**31 - 1), (torch.uint8, 200), (torch.uint8, 255)):
        labels = y.to(kind)
        labels[4] = wrong
        assert refused(run, op, x, labels) == f"{op}: row 4: the label is {wrong}, outside [0, 200)"


@each_backend
@each_op
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_the_lowest_bad_row_is_named(op: str, dtype: torch.dtype) -> None:
    """Even if another thread or lane finds another bad row first. In a row, a score comes before the label."""
    x, y = draw(3000, 10, dtype)
    x[[1234, 2999, 1300, 1235], [9, 0, 3, 0]] = torch.tensor([*BAD, BAD[0]], dtype=dtype)
    for _ in range(3):
        assert refused(run, op, x, y) == f"{op}: row 1234: a score is NaN or infinite"
    if op not in LABELLED:
        return
    y[1233] = 10
    assert refused(run, op, x, y) == f"{op}: row 1233: the label is 10, outside [0, 10)"
    y[2] = -1
    assert refused(run, op, x, y) == f"{op}: row 2: the label is -1, outside [0, 10)"
    x[2, 2] = BAD[1]
    assert refused(run, op, x, y) == f"{op}: row 2: a score is NaN or infinite"


@fused_only
@each_op
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_bad_score_in_a_long_row(op: str, dtype: torch.dtype) -> None:
    x, y = draw(4, 5000, dtype)
    for column in (0, 255, 256, 1023, 4095, 4096, 4999):
        for value in BAD:
            original, x[2, column] = x[2, column].clone(), value
            assert refused(run, op, x, y) == f"{op}: row 2: a score is NaN or infinite", column
            x[2, column] = original
    strided = x.t().contiguous().t()
    strided[3, 4999] = BAD[2]
    assert refused(run, op, strided, y) == f"{op}: row 3: a score is NaN or infinite"


@fused_only
@each_op
@pytest.mark.parametrize("classes", [10, 40, 300])
def test_a_nan_of_any_bits_is_found(op: str, classes: int) -> None:
    """The low bits of a NaN are free: 2^x by sums of bits turned some into finite numbers, in rows of over 256 classes."""
    x, y = draw(4, classes, torch.float32)
    for lead in (0.0, 60.0):
        x[:, 1] += lead
        for bits in (0x7FC00000, -1, 0x7FFFFFFF, 0x7FC00001, 0x7F800001):
            bad = x.clone()
            bad.view(torch.int32)[2, classes - 1] = bits
            assert refused(run, op, bad, y) == f"{op}: row 2: a score is NaN or infinite", hex(bits)


FROM_PROBABILITIES: dict[str, Callable[..., Any]] = {
    "calibration_stats": kernels.calibration_stats,
    "classwise_stats": kernels.classwise_stats,
}


@each_backend
@pytest.mark.parametrize("name", FROM_PROBABILITIES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_values_outside_0_to_1_are_not_probabilities(dtype: torch.dtype, name: str) -> None:
    call = partial(FROM_PROBABILITIES[name], from_probs=True)
    message = name + ": row {}: a probability lies outside [0, 1]"
    for n, k in ((1, 2), (9, 3), (33, 10), (5, 100)):
        p = torch.full((n, k), 1 / k, dtype=dtype)
        y = torch.zeros(n, dtype=torch.int64)
        call(p, y)
        p[0, 0] = 1.0009 if dtype in TYPES[:2] else 1.0  # rounding may lift a probability of 1 as high
        call(p, y)
        for row, column in itertools.product({*range(0, n, 5), n - 1}, range(0, k, 1 + k // 7)):
            for value in (-0.01, 1.02):
                original, p[row, column] = p[row, column].clone(), value
                assert refused(call, p, y) == message.format(row)
                p[row, column] = original
        p[n - 1, k - 1] = -torch.finfo(dtype).tiny
        assert refused(call, p, y) == message.format(n - 1)
        y[n - 1] = k  # the message names a label before a probability, and a non-finite score before both
        assert refused(call, p, y) == f"{name}: row {n - 1}: the label is {k}, outside [0, {k})"
        p[n - 1, 0] = BAD[0]
        assert refused(call, p, y) == f"{name}: row {n - 1}: a score is NaN or infinite"
    call(torch.tensor([[0.0, -0.0, 1.0]], dtype=dtype), torch.tensor([1]))


@each_backend
@pytest.mark.parametrize(
    ("value", "problem"),
    [(BAD[0], "is NaN or infinite"), (BAD[1], "is NaN or infinite"), (-1e-9, "lies outside [0, 1]")],
)
def test_bootstrap_names_the_lowest_bad_confidence(value: float, problem: str) -> None:
    for n in (1, 2, 9, 33, 2000):
        correct = torch.ones(n, dtype=torch.bool)
        for row in {0, n // 2, n - 1}:
            confidence = torch.full((n,), 0.5, dtype=torch.float64)
            confidence[row] = value
            confidence[row + 1 :] = 2.0
            expected = f"bootstrap_bins: row {row}: a confidence {problem}"
            assert refused(kernels.bootstrap_bins, confidence, correct, resamples=2) == expected


@each_backend
def test_wrong_arguments_of_bootstrap_bins() -> None:
    confidence, correct = torch.full((2000,), 0.5, dtype=torch.float64), torch.ones(2000, dtype=torch.bool)
    assert "resamples is 0" in refused(kernels.bootstrap_bins, confidence, correct, resamples=0)
    assert "seed is -1" in refused(kernels.bootstrap_bins, confidence, correct, seed=-1)
    assert f"seed is {2**63}" in refused(kernels.bootstrap_bins, confidence, correct, seed=2**63)
    assert "2000 confidences and 1999 answers" in refused(kernels.bootstrap_bins, confidence, correct[1:])
    assert "shape [1, 2000]" in refused(kernels.bootstrap_bins, confidence[None], correct)
    twos = correct.int().index_fill(0, torch.tensor([3]), 2)
    assert "row 3: correct is 2" in refused(kernels.bootstrap_bins, confidence, twos)
    assert "bins is 0" in refused(kernels.bootstrap_bins, confidence, correct, 0)


@each_backend
@each_op
def test_wrong_scores(op: str) -> None:
    x, y = draw(5, 3)
    assert "shape [15]" in refused(run, op, x.flatten(), y)
    assert "no classes" in refused(run, op, x[:, :0], y)
    assert "type int64" in refused(run, op, x.long(), y)
    assert "type complex128" in refused(run, op, x.to(torch.complex128), y)


@each_backend
@each_labelled
def test_wrong_labels(op: str) -> None:
    x, y = draw(5, 3)
    assert "shape [5, 1]" in refused(run, op, x, y[:, None])
    assert "type bool" in refused(run, op, x, y.bool())
    assert "type float32" in refused(run, op, x, y.float())
    assert "5 rows of scores and 4 labels" in refused(run, op, x, y[:4])
    assert "on cpu and labels on meta" in refused(run, op, x, y.to("meta"))


@each_backend
@each_op
def test_a_gradient_is_refused(op: str) -> None:
    x, y = draw(5, 3)
    x.requires_grad_()
    assert "not differentiable" in refused(run, op, x, y)
    run(op, x.detach(), y)
    with torch.no_grad():
        run(op, x, y)


@each_backend
@pytest.mark.parametrize("call", [kernels.calibration_stats, kernels.classwise_stats])
@pytest.mark.parametrize("bins", [0, -1, 2**24 + 1, True, 1.5])
def test_wrong_bins(call: Callable[..., Any], bins: object) -> None:
    assert f"bins is {bins}" in refused(call, *draw(5, 3), bins)


@each_backend
def test_wrong_edges() -> None:
    x, y = draw(5, 3)
    descending, nan = torch.tensor([0.5, 0.2]), torch.tensor([0.5, float("nan")])
    assert "do not ascend" in refused(kernels.classwise_stats, x, y, descending)
    assert "edge is NaN" in refused(kernels.classwise_stats, x, y, nan)
    assert "shape [2, 4]" in refused(kernels.classwise_stats, x, y, torch.rand(2, 4))


@each_backend
@pytest.mark.parametrize("name", ["softmax_threshold", "softmax_threshold_sets", "sigmoid_threshold"])
def test_wrong_thresholds(name: str) -> None:
    x, _ = draw(5, 3)
    call = getattr(kernels, name)
    assert "2 thresholds for 3 classes" in refused(call, x, [0.1, 0.2])
    assert "a threshold is NaN" in refused(call, x, float("nan"))
    assert "a threshold is NaN" in refused(call, x, torch.tensor([0.1, float("nan"), 0.2]))
    assert "shape [1, 3]" in refused(call, x, torch.rand(1, 3))


@each_backend
def test_wrong_temperatures() -> None:
    x, y = draw(5, 3)
    assert "not finite" in refused(kernels.nll_curve, x, y, [0.0, float("inf")])
    assert "shape []" in refused(kernels.nll_curve, x, y, torch.tensor(0.0))
