"""What the kernels refuse, in the same words by each backend: the lowest bad row wherever it stands, shapes, types, gradients."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from kernel_cases import draw
from kernel_definitions import TYPES
from kernel_ops import EVERY, LABELLED

from calibench import kernels
from calibench.errors import InputError

BAD = [float("nan"), float("inf"), -float("inf")]

each_backend = pytest.mark.usefixtures("backend")
fused_only = pytest.mark.usefixtures("fused")  # places in a vector, which the reference does not have

each_op = pytest.mark.parametrize("op", EVERY)
each_labelled = pytest.mark.parametrize("op", LABELLED)


def refused(call: Callable[..., Any], *arguments: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    assert caught.value.hint
    return caught.value.message


def run(op: str, x: torch.Tensor, y: torch.Tensor) -> None:
    list(EVERY[op](x, y))


@fused_only
@each_op
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_bad_score_is_found_in_every_column(op: str, dtype: torch.dtype) -> None:
    """-inf too, though it is never a maximum and its exponential is a fair 0; in the masked tail of a vector too."""
    values = itertools.cycle(BAD)
    for k in (1, 2, 10, 17, 47):
        x, y = draw(3, k, dtype)
        for column in range(k):
            good, x[1, column] = x[1, column].clone(), next(values)
            assert refused(run, op, x, y) == f"{op}: row 1: a score is NaN or infinite", (k, column, x[1, column])
            x[1, column] = good
        run(op, x, y)


@fused_only
@each_op
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_bad_score_is_found_in_every_row(op: str, dtype: torch.dtype) -> None:
    """Around the width of a vector of rows, where the last ones are masked."""
    values = itertools.cycle(BAD)
    for n in (1, 8, 9, 15, 17, 33, 65):
        for k in (2, 10):
            x, y = draw(n, k, dtype)
            for row in range(n) if n < 34 else (0, 15, 16, 31, 32, 47, 48, n - 2, n - 1):
                column = row % k
                good, x[row, column] = x[row, column].clone(), next(values)
                assert refused(run, op, x, y) == f"{op}: row {row}: a score is NaN or infinite", (n, k)
                x[row, column] = good


@fused_only
@each_labelled
@pytest.mark.parametrize("dtype", TYPES[:3], ids=str)
def test_a_bad_label_is_found_in_every_row(op: str, dtype: torch.dtype) -> None:
    for n, k in ((1, 3), (9, 2), (17, 10), (33, 3), (65, 1), (19, 300)):
        x, y = draw(n, k, dtype)
        for row, wrong in zip(range(n), itertools.cycle([k, -1, 2**40, -(2**63), k + 2**32, 2**63 - 1]), strict=False):
            good, y[row] = y[row].clone(), wrong
            assert refused(run, op, x, y) == f"{op}: row {row}: the label is {wrong}, outside [0, {k})", n
            y[row] = good
    x, y = draw(9, 200, dtype)
    for kind, wrong in ((torch.int32, -1), (torch.int32, 2**31 - 1), (torch.uint8, 200), (torch.uint8, 255)):
        labels = y.to(kind)
        labels[4] = wrong
        assert refused(run, op, x, labels) == f"{op}: row 4: the label is {wrong}, outside [0, 200)"


@each_backend
@each_op
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_the_lowest_bad_row_is_named(op: str, dtype: torch.dtype) -> None:
    """Though another thread, or a later lane, meets another first; a score before the label of the same row."""
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
            good, x[2, column] = x[2, column].clone(), value
            assert refused(run, op, x, y) == f"{op}: row 2: a score is NaN or infinite", column
            x[2, column] = good
    strided = x.t().contiguous().t()
    strided[3, 4999] = BAD[2]
    assert refused(run, op, strided, y) == f"{op}: row 3: a score is NaN or infinite"


@each_backend
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_logits_are_no_probabilities(dtype: torch.dtype) -> None:
    def stats(x: torch.Tensor, y: torch.Tensor) -> None:
        kernels.calibration_stats(x, y, from_probs=True)

    def classwise(x: torch.Tensor, y: torch.Tensor) -> None:
        kernels.classwise_stats(x, y, from_probs=True)

    for call, name in ((stats, "calibration_stats"), (classwise, "classwise_stats")):
        want = name + ": row {}: a probability lies outside [0, 1]"
        for n, k in ((1, 2), (9, 3), (33, 10), (5, 100)):
            p = torch.full((n, k), 1 / k, dtype=dtype)
            y = torch.zeros(n, dtype=torch.int64)
            call(p, y)
            p[0, 0] = 1.0009 if dtype in TYPES[:2] else 1.0  # what rounding may do to a row that holds 1
            call(p, y)
            for row, column in itertools.product({*range(0, n, 5), n - 1}, range(0, k, 1 + k // 7)):
                for wrong in (-0.01, 1.02):
                    good, p[row, column] = p[row, column].clone(), wrong
                    assert refused(call, p, y) == want.format(row)
                    p[row, column] = good
            p[n - 1, k - 1] = -torch.finfo(dtype).tiny
            assert refused(call, p, y) == want.format(n - 1)
            y[n - 1] = k  # a label is told before a probability, a score that is not finite before both
            assert refused(call, p, y) == f"{name}: row {n - 1}: the label is {k}, outside [0, {k})"
            p[n - 1, 0] = BAD[0]
            assert refused(call, p, y) == f"{name}: row {n - 1}: a score is NaN or infinite"
        zero = torch.tensor([[0.0, -0.0, 1.0]], dtype=dtype)
        call(zero, torch.tensor([1]))


@each_backend
def test_bootstrap_names_the_lowest_bad_confidence() -> None:
    for n in (1, 2, 9, 33, 2000):
        confidence = torch.full((n,), 0.5, dtype=torch.float64)
        correct = torch.ones(n, dtype=torch.bool)
        for row in {0, n // 2, n - 1}:
            for wrong, says in (
                (BAD[0], "is NaN or infinite"),
                (BAD[1], "is NaN or infinite"),
                (-1e-9, "lies outside [0, 1]"),
            ):
                bad = confidence.clone()
                bad[row] = wrong
                bad[row + 1 :] = 2.0
                want = f"bootstrap_bins: row {row}: a confidence {says}"
                assert refused(kernels.bootstrap_bins, bad, correct, resamples=2) == want
    assert "resamples is 0" in refused(kernels.bootstrap_bins, confidence, correct, resamples=0)
    assert "seed is -1" in refused(kernels.bootstrap_bins, confidence, correct, seed=-1)
    assert f"seed is {2**63}" in refused(kernels.bootstrap_bins, confidence, correct, seed=2**63)
    assert "2000 confidences and 1999 answers" in refused(kernels.bootstrap_bins, confidence, correct[1:])
    assert "shape [1, 2000]" in refused(kernels.bootstrap_bins, confidence[None], correct)
    assert "row 3: correct is 2" in refused(
        kernels.bootstrap_bins, confidence, correct.int().index_fill(0, torch.tensor([3]), 2)
    )
    assert "bins is 0" in refused(kernels.bootstrap_bins, confidence, correct, 0)


@each_backend
@each_op
def test_wrong_shapes_and_types(op: str) -> None:
    x, y = draw(5, 3)
    assert "shape [15]" in refused(run, op, x.flatten(), y)
    assert "no classes" in refused(run, op, x[:, :0], y)
    assert "type int64" in refused(run, op, x.long(), y)
    assert "type complex128" in refused(run, op, x.to(torch.complex128), y)
    if op in LABELLED:
        assert "shape [5, 1]" in refused(run, op, x, y[:, None])
        assert "type bool" in refused(run, op, x, y.bool())
        assert "type float32" in refused(run, op, x, y.float())
        assert "5 rows of scores and 4 labels" in refused(run, op, x, y[:4])
        assert "on cpu and labels on meta" in refused(run, op, x, y.to("meta"))


@each_backend
@each_op
def test_no_gradient_is_promised(op: str) -> None:
    x, y = draw(5, 3)
    x.requires_grad_()
    assert "not differentiable" in refused(run, op, x, y)
    run(op, x.detach(), y)
    with torch.no_grad():
        run(op, x, y)


@each_backend
def test_wrong_bins_edges_and_thresholds() -> None:
    x, y = draw(5, 3)
    for bins in (0, -1, 2**24 + 1, True, 1.5):
        assert f"bins is {bins}" in refused(kernels.calibration_stats, x, y, bins)
        assert f"bins is {bins}" in refused(kernels.classwise_stats, x, y, bins)
    falling, unknown = torch.tensor([0.5, 0.2]), torch.tensor([0.5, float("nan")])
    assert "do not ascend" in refused(kernels.classwise_stats, x, y, falling)
    assert "edge is NaN" in refused(kernels.classwise_stats, x, y, unknown)
    assert "shape [2, 4]" in refused(kernels.classwise_stats, x, y, torch.rand(2, 4))
    for name in ("softmax_threshold", "softmax_threshold_sets", "sigmoid_threshold"):
        call = getattr(kernels, name)
        assert "2 thresholds for 3 classes" in refused(call, x, [0.1, 0.2])
        assert "a threshold is NaN" in refused(call, x, float("nan"))
        assert "a threshold is NaN" in refused(call, x, torch.tensor([0.1, float("nan"), 0.2]))
        assert "shape [1, 3]" in refused(call, x, torch.rand(1, 3))
    assert "not finite" in refused(kernels.nll_curve, x, y, [0.0, float("inf")])
    assert "shape []" in refused(kernels.nll_curve, x, y, torch.tensor(0.0))
