"""Every training objective against its formula in float64, written here with numpy; gradients by finite differences."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from calibration_formulas import CALIBRATION
from hypothesis import given, settings
from hypothesis import strategies as st
from imbalance_formulas import IMBALANCE
from objective_cases import (
    Array,
    Formula,
    K,
    N,
    build,
    log_softmax,
    logits_and_labels,
    loss_of,
    of_p,
    one_hot,
    slope,
    value_and_gradient,
)
from robust_formulas import ROBUST_FORMULAS

from calibench import MethodSpec, specs_in

OBJECTIVES = specs_in("calibench_methods.objectives", MethodSpec)

# --- the formulas ---------------------------------------------------------------------------------------------------


def cross(target: Callable[[Array, Array, Array], Array]) -> Formula:
    """The cross-entropy with targets `target(one-hot labels, p, p at z0)`."""

    def f(z: Array, y: Array, z0: Array) -> float:
        t = target(one_hot(y, z.shape[1]), np.exp(log_softmax(z)), np.exp(log_softmax(z0)))
        return float(-(t * log_softmax(z)).sum(axis=1).mean())

    return f


def mbls(margin: float, weight: float) -> Formula:
    def f(z: Array, y: Array, _: Array) -> float:
        over = [max(0.0, max(row) - entry - margin) for row in z for entry in row]
        return of_p(lambda p: -np.log(p))(z, y, z) + weight * sum(over) / len(over)  # over N x K, as logit_margin_l1.py

    return f


def flsd53(z: Array, y: Array, z0: Array) -> float:
    rows = np.arange(len(y))
    p, p0 = np.exp(log_softmax(z))[rows, y], np.exp(log_softmax(z0))[rows, y]
    return float(np.mean([-((1 - a) ** (5 if b < 0.2 else 3)) * math.log(a) for a, b in zip(p, p0, strict=True)]))


def logit_norm(tau: float) -> Formula:
    return lambda z, y, _: of_p(lambda p: -np.log(p))(z / np.sqrt((z**2).sum(axis=1, keepdims=True)) / tau, y, z)


def elr(weight: float, beta: float) -> Formula:
    """The first step: the targets are (1 - beta) p."""

    def f(z: Array, y: Array, z0: Array) -> float:
        p, t = np.exp(log_softmax(z)), (1 - beta) * np.exp(log_softmax(z0))
        return of_p(lambda q: -np.log(q))(z, y, z) + weight * float(np.log(1 - (p * t).sum(axis=1)).mean())

    return f


def mixed(rate: float, k: int = K) -> Callable[[Array], Array]:
    e = rate * k / (k - 1)
    return lambda p: -np.log((1 - e) * p + e / k)


def backward(rate: float, k: int = K) -> Formula:
    inverse = np.linalg.inv(np.full((k, k), rate / (k - 1)) + np.eye(k) * (1 - rate - rate / (k - 1)))
    return lambda z, y, _: float((inverse @ -log_softmax(z).T)[y, np.arange(len(y))].mean())


FORMULAS: dict[str, Formula] = {
    "ce": of_p(lambda p: -np.log(p)),
    "clipped-ce": of_p(lambda p: np.minimum(-np.log(p), 2 * math.log(K))),
    "clipped-ce:cap=1.5": of_p(lambda p: np.minimum(-np.log(p), 1.5)),
    "noise-ce:rate=0.3": of_p(mixed(0.3)),
    "noise-ce:rate=0.7": of_p(mixed(0.7)),
    "forward:rate=0.3": of_p(mixed(0.3)),
    "backward:rate=0.3": backward(0.3),
    "bootstrap": cross(lambda o, p, _: 0.95 * o + 0.05 * p),
    "bootstrap:mode=hard": cross(lambda o, _, p: 0.8 * o + 0.2 * one_hot(p.argmax(axis=1), p.shape[1])),
    "bootstrap:beta=0.3": cross(lambda o, p, _: 0.3 * o + 0.7 * p),
    "gce": of_p(lambda p: (1 - p**0.7) / 0.7),
    "gce:q=1": of_p(lambda p: 1 - p),
    "sce:alpha=6,beta=0.1,log_zero=-6": of_p(lambda p: -6 * np.log(p) + 0.1 * 6 * (1 - p)),
    "elr": elr(3.0, 0.7),
    "elr:weight=7,beta=0.9": elr(7.0, 0.9),
    "label-smoothing": cross(lambda o, p, _: 0.9 * o + 0.1 / p.shape[1]),
    "mbls:margin=1": mbls(1.0, 0.1),
    "mbls:margin=0,weight=2": mbls(0.0, 2.0),
    "focal": of_p(lambda p: -((1 - p) ** 3) * np.log(p)),
    "focal:gamma=0.5": of_p(lambda p: -np.sqrt(1 - p) * np.log(p)),
    "flsd53": flsd53,
    "adafocal": of_p(lambda p: -(1 - p) * np.log(p)),  # until the first validation
    "logit-norm": logit_norm(0.04),
    "logit-norm:tau=1": logit_norm(1.0),
    "confidence-penalty": cross(lambda o, p, _: o - 0.1 * p),
    "confidence-penalty:beta=2": cross(lambda o, p, _: o - 2 * p),
    "mixup": of_p(lambda p: -np.log(p)),  # without mixing; test_mixup.py has its steps
    "co-teaching:rate=0.3": of_p(lambda p: -np.log(p)),  # of a whole batch; test_co_teaching.py has its steps
    **ROBUST_FORMULAS,
    **IMBALANCE,
    **CALIBRATION,
}


def test_every_objective_has_a_formula_here_or_its_own_tests() -> None:
    named = {recipe.partition(":")[0] for recipe in FORMULAS}
    assert {spec.name for spec in OBJECTIVES} - named == {"bce", "cleanlab", "bi-tempered", "sop", "dividemix"}


@pytest.mark.parametrize("recipe", FORMULAS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_loss_and_gradient_equal_the_formula(recipe: str, seed: int) -> None:
    z, y = logits_and_labels(seed)
    formula = FORMULAS[recipe]
    value, gradient = value_and_gradient(build(recipe), z, y)
    assert value == pytest.approx(formula(z, y, z), rel=1e-12, abs=1e-14)
    numeric = np.array([slope(formula, z, y, place) for place in np.ndindex(z.shape)]).reshape(z.shape)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-8, atol=1e-10)
    assert np.abs(gradient).max() > 1e-4  # a constant would pass too


@pytest.mark.parametrize("recipe", [r for r in FORMULAS if ":cap" not in r and "rate=0.7" not in r])
def test_the_loss_of_two_classes_equals_the_formula(recipe: str) -> None:
    z, y = logits_and_labels(3, k=2)
    value, gradient = value_and_gradient(build(recipe, k=2), z, y)
    depends_on_k = {
        "noise-ce:rate=0.3": of_p(mixed(0.3, 2)),
        "forward:rate=0.3": of_p(mixed(0.3, 2)),
        "backward:rate=0.3": backward(0.3, 2),
        "clipped-ce": of_p(lambda p: np.minimum(-np.log(p), 2 * math.log(2))),
    }
    assert value == pytest.approx(depends_on_k.get(recipe, FORMULAS[recipe])(z, y, z), rel=1e-12)
    assert np.isfinite(gradient).all()


# --- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "recipe",
    [
        "gce:q=0",
        "sce:alpha=1,beta=0",
        "sce:alpha=1,log_zero=0",
        "label-smoothing:epsilon=0",
        "label-smoothing:epsilon=0,weight=1;1;1;1",
        "ce:weight=2;2;2;2",
        "ce:weight=3;3;3;3,divide_by=train",
        "logit-adjustment:tau=0",
        "focal:gamma=0,alpha=1;1;1;1",
        "noise-ce:rate=0",
        "forward:rate=0",
        "backward:rate=0",
        "focal:gamma=0",
        "bootstrap:beta=1",
        "bootstrap:mode=hard,beta=1",
        "mbls:margin=1e6",
        "mbls:weight=0",
        "mmce:weight=0",
        "mdca:weight=0,gamma=0",
        "dual-focal:gamma=0",
        "maxsup:alpha=0",
        "acls:alpha=0",
        "acls:pos_lambda=0,neg_lambda=0",
        "acls:margin=1e6",
        "mixup:alpha=0",
        "confidence-penalty:beta=0",
        "elr:weight=0",
        "clipped-ce:cap=1e6",
        "adafocal:gamma_max=0,gamma_min=0,switch=0",
        "co-teaching:rate=0",
    ],
)
def test_limits_equal_cross_entropy(recipe: str) -> None:
    z, y = logits_and_labels(4)
    value, gradient = value_and_gradient(build(recipe), z, y)
    cross_entropy, gradient_of_ce = value_and_gradient(build("ce"), z, y)
    assert value == pytest.approx(cross_entropy, rel=1e-12)
    np.testing.assert_allclose(gradient, gradient_of_ce, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize(
    ("recipe", "tolerance"),
    [("gce:q=1e-6", 1e-5), ("noise-ce:rate=1e-7", 1e-5), ("focal:gamma=1e-6", 1e-4), ("gjs:weight=0.001", 5e-3)],
)
def test_limits_approach_cross_entropy(recipe: str, tolerance: float) -> None:
    z, y = logits_and_labels(5)
    assert float(loss_of(build(recipe), z, y)) == pytest.approx(float(loss_of(build("ce"), z, y)), rel=tolerance)


@pytest.mark.parametrize(
    ("recipe", "other", "factor"),
    [
        ("agce:a=0,q=0.7", "gce:q=0.7", 1.0),
        ("agce:a=3,q=1", "gce:q=1", 1.0),  # both the mean absolute error
        ("nce-rce:alpha=0", "sce:alpha=0", 1.0),
        ("nce-rce:beta=0,alpha=5", "anl:beta=0", 1.0),
        ("gjs:weight=0.999", "gce:q=1", 1.0),  # towards weight 1, with an error of 1 / log(1 - weight)
    ],
)
def test_limits_equal_each_other(recipe: str, other: str, factor: float) -> None:
    z, y = logits_and_labels(6)
    expected = factor * float(loss_of(build(other), z, y))
    tolerance = 0.15 if "gjs" in recipe else 1e-12
    assert float(loss_of(build(recipe), z, y)) == pytest.approx(expected, rel=tolerance)


def test_logit_norm_is_the_cross_entropy_of_normalised_logits() -> None:
    z, y = logits_and_labels(5)
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    expected = float(loss_of(build("ce"), unit, y))
    assert float(loss_of(build("logit-norm:tau=1"), z, y)) == pytest.approx(expected, rel=1e-4)


def test_adafocal_starts_as_focal_with_gamma_1() -> None:
    z, y = logits_and_labels(5)
    expected = float(loss_of(build("adafocal"), z, y))
    assert float(loss_of(build("focal:gamma=1"), z, y)) == pytest.approx(expected, rel=1e-12)


# --- properties -----------------------------------------------------------------------------------------------------

SEED_AND_SCALE = st.tuples(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1.0, 10.0, 300.0]))


@settings(max_examples=25, deadline=None)
@given(SEED_AND_SCALE)
def test_bounded_losses_keep_their_bounds(seed_and_scale: tuple[int, float]) -> None:
    z, y = logits_and_labels(seed_and_scale[0], scale=seed_and_scale[1])
    e = 0.3 * K / (K - 1)
    for recipe, bound in {
        "clipped-ce:cap=1.5": 1.5,
        "noise-ce:rate=0.3": math.log(K / e),
        "gce": 1 / 0.7,
        "gce:q=1": 1,
        "sce:alpha=0,log_zero=-4": 4,
        "nce-rce:beta=0": 1,
        "agce": (1.6**0.6 - 0.6**0.6) / 0.6,
        "anl": 10,
        "gjs:weight=0.5": 2.0,
    }.items():
        assert -1e-9 <= float(loss_of(build(recipe), z, y)) <= bound + 1e-12, recipe


@settings(max_examples=15, deadline=None)
@given(SEED_AND_SCALE, st.floats(-50, 50), st.permutations(range(N)))
def test_neither_a_constant_nor_the_order_of_rows_changes_the_loss(
    seed_and_scale: tuple[int, float], shift: float, order: list[int]
) -> None:
    z, y = logits_and_labels(seed_and_scale[0], scale=seed_and_scale[1])
    for recipe in FORMULAS:
        value = float(loss_of(build(recipe), z, y))
        assert float(loss_of(build(recipe), z[order], y[order])) == pytest.approx(value, rel=1e-9, abs=1e-12), recipe
        if not recipe.startswith(("logit-norm", "acls")):  # a constant changes the norm, and the largest logit
            assert float(loss_of(build(recipe), z + shift, y)) == pytest.approx(value, rel=1e-7, abs=1e-9), recipe


def test_only_clipped_samples_have_a_gradient_of_0() -> None:
    z, y = np.array([[0.0, 9, 0, 0], [0.0, 1, 0, 0]]), np.array([0, 0])
    _, gradient = value_and_gradient(build("clipped-ce", n=2), z, y)
    assert (gradient[0] == 0).all()
    assert (gradient[1] != 0).all()


# --- underflow ------------------------------------------------------------------------------------------------------


def extreme(dtype: torch.dtype, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and labels for which p_y is 0, 1, 1/2 and 1/K: right and wrong one-hot rows, ties, and equal logits."""
    rows = []
    for top in range(k):
        for size in (1e4, 200.0, 30.0):
            rows += [torch.zeros(k).index_fill(0, torch.tensor(top), size), -torch.eye(k)[top] * size]
            rows.append((2 * torch.eye(k)[top] - 1) * size)
    rows += [torch.zeros(k), torch.full((k,), 1e4), torch.full((k,), -1e4)]
    logits = torch.stack(rows).to(dtype)
    return logits.repeat_interleave(k, dim=0), torch.arange(k).repeat(len(rows))


@pytest.mark.parametrize(("recipe", "k"), [(r, k) for r in FORMULAS for k in (2, 4) if k == 4 or "rate=0.7" not in r])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_loss_and_gradient_are_finite_where_a_probability_is_0(recipe: str, dtype: torch.dtype, k: int) -> None:
    logits, y = extreme(dtype, k)
    assert bool((logits.softmax(dim=1).gather(1, y[:, None]) == 0).any())
    objective = build(recipe, k=k, n=len(y))
    for _ in range(3):  # the targets of elr move towards one-hot
        x = logits.clone().requires_grad_()
        loss = loss_of(objective, x, y)
        loss.backward()
        assert x.grad is not None
        assert math.isfinite(loss.item())
        assert bool(x.grad.isfinite().all())


def test_a_naive_gce_has_a_nan_gradient_where_a_probability_is_0() -> None:
    logits, y = extreme(torch.float32, 4)
    x = logits.clone().requires_grad_()
    p = x.softmax(dim=1).gather(1, y[:, None])
    ((1 - p**0.7) / 0.7).mean().backward()
    assert x.grad is not None
    assert bool(x.grad.isnan().any())


@pytest.mark.parametrize("recipe", FORMULAS)
def test_float32_agrees_with_float64(recipe: str) -> None:
    z, y = logits_and_labels(7)
    narrow = float(loss_of(build(recipe), z.astype(np.float32), y))
    assert narrow == pytest.approx(float(loss_of(build(recipe), z.astype(np.float32).astype(np.float64), y)), rel=2e-5)
