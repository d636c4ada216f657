"""Decisions and sets on the hardest inputs: beside a threshold, far from zero, and at the limits of each type."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kernel_backends import each_backend
from kernel_cases import LARGEST, draw, hard_rows, rows_near
from kernel_definitions import TYPES, assert_exact, sigmoid, softmax
from kernel_threshold_checks import check_sigmoid, check_softmax

from calibench import kernels

STRICT = pytest.mark.parametrize("strict", [False, True], ids=["reaches", "exceeds"])


@pytest.mark.slow
@each_backend
@STRICT
@pytest.mark.parametrize(("dtype", "k"), [(dtype, k) for dtype in TYPES for k in (3, 10, 100)], ids=str)
def test_softmax_beside_a_threshold(dtype: torch.dtype, k: int, strict: bool) -> None:
    for target in (0.5, 0.9, 0.01):
        x, _ = rows_near(dtype, (target,), k, top_only=False)
        check_softmax(x, target, strict)
        for i in range(0, len(x), 13):
            check_softmax(x[i : i + 1], target, strict)
        thresholds = np.full(k, 2.0)
        thresholds[k // 3] = target  # only the class that lies beside it
        assert {-1, k // 3} == set(check_softmax(x, thresholds, strict).tolist())


@each_backend
@STRICT
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_sigmoid_beside_a_threshold(dtype: torch.dtype, strict: bool) -> None:
    """Every number of the type near the threshold's logit, with thresholds near the probability of the logit."""
    for target in (0.5, 0.9, 0.01, 1e-5):
        root = torch.tensor(np.log(target / (1 - target)), dtype=dtype)
        values, low, high = [root], root, root
        for _ in range(60):
            low, high = (torch.nextafter(v, torch.tensor(to, dtype=dtype)) for v, to in ((low, -99.0), (high, 99.0)))
            values += [low, high]
        x = torch.stack(values)
        p = sigmoid(x).astype(np.float64)
        for step in (1e-13, 1e-9, 1e-7, 9e-7, 2e-6):
            for t in (p[0] * (1 - step), p[0] * (1 + step)):
                check_sigmoid(x[np.abs(p - t) > 1e-14 * t].reshape(-1, 1), float(t), strict)
                check_sigmoid(x[np.abs(p - t) > 1e-14 * t].reshape(1, -1), float(t), strict)


@pytest.mark.slow
@each_backend
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_hard_rows(backend: str, dtype: torch.dtype) -> None:
    for name, (row, _) in hard_rows(dtype).items():
        for copies in (1, 21)[: 1 + (row.shape[1] < 100 and backend == "fused")]:
            x = row.repeat(copies, 1)
            for t, strict in ((0.0, True), (1e-40, True), (1e-20, False), (0.3, False))[row.shape[1] // 20_000 * 2 :]:
                check_softmax(x, t, strict, f"{name} at {t}")
            if row.shape[1] < 100:
                for t, strict in ((0.0, True), (1e-40, False), (0.999, True)):
                    check_sigmoid(x, t, strict, f"{name} at {t}")


@pytest.mark.slow
@each_backend
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_far_from_zero_on_and_beside_a_threshold(dtype: torch.dtype) -> None:
    """At 1e12 a score has no digits left for its log-sum-exp: the kernel must take differences first."""
    generator = torch.Generator().manual_seed(0)
    for base in (3e4, 1e6, 1e8, 1e12, 1e30):
        if base * 1.1 > LARGEST[dtype]:
            continue
        step = max(1.0, torch.finfo(dtype).eps * base)
        for sign in (1, -1):
            offsets = torch.randint(-3, 1, (6, 5), generator=generator).double() * step
            x = (sign * base + offsets).to(dtype)
            p = softmax(x).p.astype(np.float64)
            for row in range(0, 6, 2):
                t = p[row].max()
                if round(1 / t) * t == 1:  # only ties: exactly on the threshold
                    check_softmax(x[row : row + 1], float(t), False)
                    check_softmax(x[row : row + 1], float(t), True)
                for beside in (1 - 1e-8, 1 + 1e-10):
                    check_softmax(x[row : row + 1], float(t * beside))
            even = torch.full((3, 4), sign * base, dtype=torch.float64).to(dtype)
            assert check_softmax(even, 0.25).tolist() == [0] * 3
            assert check_softmax(even, 0.25, strict=True).tolist() == [-1] * 3


@each_backend
def test_the_smallest_probabilities_pass_as_in_float64() -> None:
    """exp(-720) is 2e-313: above 0, although a fast exponential may end at 1e-308."""
    for dtype in TYPES:
        for k in (2, 9, 40):
            x = torch.full((3, k), -900.0, dtype=dtype)
            x[:, 0], x[:, k - 1] = 0.0, -720.0
            for t, passes in ((0.0, True), (1e-315, True), (1e-300, False)):
                thresholds = np.full(k, 2.0)
                thresholds[k - 1] = t
                prediction = check_softmax(x, thresholds, strict=True)
                assert prediction.tolist() == [k - 1 if passes else -1] * 3


@each_backend
def test_the_prediction_at_threshold_0_is_the_argmax() -> None:
    """calibration_stats and softmax_threshold predict the same class, even if two probabilities are equal in float64."""
    close = torch.tensor([[0.0, 1e-17], [1e-17, 0.0], [0.0, 5e-324], [1.0, 1.0]], dtype=torch.float64)
    for x in (close, close.repeat(9, 1), draw(100, 10)[0], draw(100, 10, torch.bfloat16)[0]):
        _, samples = kernels.calibration_stats(x, torch.zeros(len(x), dtype=torch.int64), return_samples=True)
        assert_exact(kernels.softmax_threshold(x, 0.0).prediction, samples.prediction.numpy())


@each_backend
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_extreme_scores(dtype: torch.dtype) -> None:
    largest = LARGEST[dtype]
    x = torch.tensor(
        [[largest, -largest, 0.0], [-largest, -largest, -largest], [largest, largest, largest]], dtype=torch.float64
    )
    x = x.to(dtype).repeat(7, 1)
    assert check_softmax(x, 0.3).tolist() == [0, 0, 0] * 7
    assert check_softmax(x, 0.5).tolist() == [0, -1, -1] * 7
    assert check_sigmoid(x, 0.5)[:3].int().tolist() == [[1, 0, 1], [0, 0, 0], [1, 1, 1]]
