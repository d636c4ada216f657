"""fit_temperature on each backend finds the minimum of the NLL, and the temperature of three other fits."""

from __future__ import annotations

import math
import warnings
from functools import cache

import pytest
import torch
from kernel_backends import each_backend
from kernel_cases import confident, draw
from kernel_definitions import TYPES, tolerance
from scipy.optimize import minimize_scalar

from calibench import CalibenchError, kernels


def case(dtype: torch.dtype, k: int, sharpness: float) -> tuple[torch.Tensor, torch.Tensor]:
    x, y = confident(500, k, sharpness, seed=k)
    return x.to(dtype), y


def mean_nll(x: torch.Tensor, y: torch.Tensor, t: float) -> float:
    return float(torch.nn.functional.cross_entropy(x.double() / t, y))


@pytest.mark.slow
@each_backend
@pytest.mark.parametrize("sharpness", [0.05, 1.0, 2.5, 20.0])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_the_fit_is_the_minimum(dtype: torch.dtype, sharpness: float) -> None:
    x, y = confident(600, 10, sharpness)
    x = x.to(dtype)
    fit = kernels.fit_temperature(x, y)
    minimum = minimize_scalar(
        lambda u: mean_nll(x, y, math.exp(u)), bracket=(-1, 1), method="brent", options={"xtol": 1e-9}
    )
    assert math.log(fit.temperature) == pytest.approx(
        minimum.x, abs=3e-6
    )  # Brent's method sees a flat floor of 1e-8 at best
    assert fit.nll_before == pytest.approx(mean_nll(x, y, 1.0), rel=2 * tolerance(dtype))
    assert fit.nll_after == pytest.approx(mean_nll(x, y, fit.temperature), rel=2 * tolerance(dtype))
    assert fit.nll_after <= fit.nll_before
    assert 1 <= fit.passes <= 8
    slope = kernels.nll_curve(x, y, [math.log(fit.temperature)])
    assert abs(float(slope.slope_sum / slope.curvature_sum)) < (1e-6 if dtype == torch.float64 else 4e-6)


@cache
def lbfgs(dtype: torch.dtype, k: int, sharpness: float) -> float:
    """The usual fit of temperature scaling, but in float64 and until it has converged."""
    x, y = case(dtype, k, sharpness)
    u = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [u], lr=0.5, max_iter=60, tolerance_grad=1e-12, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(x.double() * (-u).exp(), y)
        loss.backward()
        return loss

    for _ in range(2):
        optimizer.step(closure)
    return math.exp(u.item())


@pytest.mark.slow
@each_backend
@pytest.mark.parametrize(("k", "sharpness"), [(2, 3.0), (10, 0.4), (100, 2.5)])
@pytest.mark.parametrize("dtype", TYPES[:3], ids=str)
def test_lbfgs_finds_the_same_temperature(dtype: torch.dtype, k: int, sharpness: float) -> None:
    fit = kernels.fit_temperature(*case(dtype, k, sharpness))
    assert fit.temperature == pytest.approx(lbfgs(dtype, k, sharpness), rel=1e-5)


@pytest.mark.slow
@each_backend
def test_scikit_learn_finds_the_same_temperature() -> None:
    """scikit-learn's `_TemperatureScaling` minimises over log beta, beta = 1/T, to 64 float32 epsilons."""
    calibration = pytest.importorskip("sklearn.calibration")
    if not hasattr(calibration, "_TemperatureScaling"):
        pytest.skip("this scikit-learn has no temperature scaling")
    for k, sharpness in ((3, 2.0), (50, 0.7)):
        x, y = confident(2000, k, sharpness, seed=k)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scaling = calibration._TemperatureScaling().fit(x.numpy(), y.numpy())
        assert kernels.fit_temperature(x, y).temperature == pytest.approx(1 / scaling.beta_, rel=1e-5)


@each_backend
def test_scaling_the_logits_scales_the_temperature() -> None:
    x, y = confident(500, 5, 1.3)
    base = kernels.fit_temperature(x, y).temperature
    for factor in (0.1, 3.0, 7.0):
        assert kernels.fit_temperature(x * factor, y).temperature == pytest.approx(base * factor, rel=3e-6)
    assert kernels.fit_temperature(x + 1000, y).temperature == pytest.approx(base, rel=3e-6)


@each_backend
def test_a_fit_that_runs_away_is_refused() -> None:
    x, _ = draw(100, 5)
    for y, end in ((x.argmax(dim=1), "1/50"), (x.argmin(dim=1), "50")):
        with pytest.raises(CalibenchError, match=f"T = {end}") as excinfo:
            kernels.fit_temperature(x, y)
        assert excinfo.value.hint
    with pytest.raises(CalibenchError, match="no rows"):
        kernels.fit_temperature(x[:0], x[:0, 0].long())
    with pytest.raises(CalibenchError, match="row 7: a score is NaN or infinite"):
        kernels.fit_temperature(x.index_fill(0, torch.tensor([7]), math.nan), x.argmax(dim=1))


@each_backend
def test_the_temperature_is_1_if_every_row_is_constant() -> None:
    x = torch.randn(20, 1, dtype=torch.float64).expand(20, 4)
    fit = kernels.fit_temperature(x, torch.arange(20) % 4)
    assert fit.temperature == 1.0
    assert fit.nll_after == fit.nll_before == pytest.approx(math.log(4), rel=1e-12)
