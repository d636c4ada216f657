"""nll_curve on each backend equals its definition: NLL, slope and curvature in log T."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from kernel_backends import assert_threads_change_nothing, each_backend, fused_only
from kernel_cases import CLASSES, LENGTHS, draw, hard_rows, layouts, rows_for
from kernel_definitions import TYPES, Floats, assert_exact, nll_curve, tolerance

from calibench import kernels

LOG_TEMPERATURES = np.array([0.0, -0.5, 0.5, 1.7, math.log(50.0), -math.log(50.0)])


def check(
    x: torch.Tensor, y: torch.Tensor, log_temperatures: Floats = LOG_TEMPERATURES, name: str = ""
) -> kernels.NllCurve:
    """Compares each figure with the definition, within the tolerance of its type relative to the scale of its error."""
    curve = kernels.nll_curve(x, y, log_temperatures.tolist())
    expected, scales = nll_curve(x, y, log_temperatures)
    for field, values, scale in zip(curve, expected, scales, strict=True):
        assert field.dtype == torch.float64
        assert field.shape == log_temperatures.shape
        bound = tolerance(x.dtype) * scale.astype(np.float64) + 1e-305
        error = np.abs(field.numpy() - values.astype(np.float64)) / bound
        assert (error <= 1).all(), (name, field, values, error)
    return curve


@each_backend
@pytest.mark.parametrize("k", CLASSES)
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_equals_the_definition(dtype: torch.dtype, k: int) -> None:
    x, y = draw(max(2, rows_for(k) // 2), k, dtype)
    check(x, y)


@each_backend
@pytest.mark.parametrize("n", LENGTHS)
def test_any_number_of_rows_and_temperatures(n: int) -> None:
    for k, dtype in ((2, torch.float64), (10, torch.float32), (33, torch.float64)):
        check(*draw(n, k, dtype), LOG_TEMPERATURES[: n % 6])
    check(*draw(n, 5), np.linspace(-2, 2, 17))


@fused_only
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_any_number_of_classes(dtype: torch.dtype) -> None:
    for k in [*range(1, 20), 31, 32, 33, 63, 65, 129, 513]:
        check(*draw(5, k, dtype), LOG_TEMPERATURES[1:4])


@each_backend
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_any_strides_and_labels(dtype: torch.dtype) -> None:
    for n, k in ((37, 12), (9, 3), (5, 1)):
        x, y = draw(n, k, dtype)
        doubled = torch.full((2 * n,), 99)
        doubled[::2] = y
        for _, view in layouts(x):
            check(view, doubled[::2], LOG_TEMPERATURES[:2])
        check(x[:1].expand(n, k), y.int(), LOG_TEMPERATURES[:2])
        check(x[:, :1].expand(n, k), y.to(torch.uint8), LOG_TEMPERATURES[:2])
    strided = torch.from_numpy(np.repeat(LOG_TEMPERATURES, 2))[::2]
    for a, b in zip(kernels.nll_curve(x, y, strided), kernels.nll_curve(x, y, LOG_TEMPERATURES.tolist()), strict=True):
        assert torch.equal(a, b)


@pytest.mark.slow
@each_backend
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_a_hard_row_alone_and_repeated(backend: str, dtype: torch.dtype) -> None:
    """A correct saturated row alone has an NLL of 1e-15 and as small a slope, right to 6 or 12 digits."""
    for name, (row, label) in hard_rows(dtype).items():
        if float(row.abs().max()) > 1e37:
            continue  # test_huge_logits
        for copies in (1, 35)[: 1 + (backend == "fused")]:
            if row.shape[1] * copies < 33_000:
                check(row.repeat(copies, 1), torch.full((copies,), label), np.array([0.0, 0.7]), name)


@fused_only
def test_the_longest_rows() -> None:
    """200 000 equal classes: a plain sum would repeat the same rounding error 200 000 times."""
    for dtype in TYPES[:2]:
        x = torch.full((1, 200_000), 0.3, dtype=dtype)
        x[0, 7] = 11.7
        check(x, torch.tensor([7]), np.array([0.5]))
        wide = torch.full((1, 80_000), float("nan"), dtype=dtype)
        wide[:, ::2] = x[:, :40_000]
        check(wide[:, ::2], torch.tensor([39_999]), np.array([0.5]))
        check(x, torch.tensor([8]), np.array([0.0]))


@each_backend
@pytest.mark.parametrize("dtype", TYPES[:3], ids=str)
def test_huge_logits(dtype: torch.dtype) -> None:
    """A class far below the maximum has probability 0: it adds 0 to every sum, not 0 * inf."""
    for far in (1e37, 1e30, 1e300 if dtype == torch.float64 else 3e38):
        for label in (0, 1):
            x = torch.tensor([[far, far, -far, 0.0]], dtype=torch.float64).to(dtype).repeat(3, 1)
            curve = kernels.nll_curve(x, torch.full((3,), label), [0.0, 1.0])
            np.testing.assert_allclose(curve.nll_sum, 3 * math.log(2), rtol=1e-6)
            assert_exact(curve.slope_sum, 0.0)
            assert_exact(curve.curvature_sum, 0.0)


@each_backend
def test_derivatives_are_those_of_the_curve() -> None:
    """Compares with differences of the kernel's NLL, without any formula."""
    x, y = draw(200, 10)
    h = 1e-4
    for u in (-1.0, 0.0, 0.8):
        nll = [float(v) for v in kernels.nll_curve(x, y, [u - h, u, u + h]).nll_sum]
        curve = kernels.nll_curve(x, y, [u])
        assert float(curve.slope_sum) == pytest.approx((nll[2] - nll[0]) / (2 * h), rel=1e-6)
        assert float(curve.curvature_sum) == pytest.approx((nll[2] - 2 * nll[1] + nll[0]) / h**2, rel=1e-4)


@each_backend
def test_the_nll_at_temperature_1_is_that_of_calibration_stats() -> None:
    for dtype in TYPES:
        x, y = draw(300, 10, dtype)
        nll = float(kernels.nll_curve(x, y, [0.0]).nll_sum)
        assert nll == pytest.approx(float(kernels.calibration_stats(x, y).nll_sum), rel=2 * tolerance(dtype))


@each_backend
def test_threads_change_nothing() -> None:
    inputs = [draw(n, k, dtype) for n, k, dtype in ((6_001, 7, torch.float32), (601, 100, torch.float64))]
    assert_threads_change_nothing(lambda: [field for x, y in inputs for field in kernels.nll_curve(x, y, [0.0, 0.5])])
