"""`bi-tempered`: the normalisation by root finding, the Bregman divergence, the authors' own figures, and what is judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from objective_cases import (
    Array,
    Formula,
    K,
    blobs,
    build,
    log_softmax,
    logits_and_labels,
    loss_of,
    one_hot,
    slope,
    value_and_gradient,
)
from pipeline_cases import members
from scipy.optimize import brentq

from calibench_methods.objectives.bi_tempered import tempered_log_softmax


def exp_t(u: Array, t: float) -> Array:
    return np.exp(u) if t == 1 else np.maximum(1 + (1 - t) * u, 0) ** (1 / (1 - t))


def log_t(u: Array, t: float) -> Array:
    return np.log(u) if t == 1 else (u ** (1 - t) - 1) / (1 - t)


def tempered_softmax(z: Array, t: float) -> Array:
    """The normalisation of each row found by bisection: exp_t(z - c) sums to 1."""
    rows = []
    for row in z:
        high = row.max() + (len(row) ** (t - 1) - 1) / (t - 1) if t > 1 else row.max() + np.log(len(row))
        c = brentq(
            lambda c, row=row: exp_t(row - c, t).sum() - 1, row.max() - 1e-9, high + 1e-9, xtol=1e-13, rtol=1e-15
        )
        rows.append(exp_t(row - c, t))
    return np.array(rows)


def bi_tempered(t1: float, t2: float) -> Formula:
    """Equation 5 of the paper with the one-hot label: log_t1 1 = 0."""

    def f(z: Array, y: Array, _: Array) -> float:
        p = tempered_softmax(z, t2)
        o = one_hot(y, z.shape[1])
        terms = -o * log_t(p, t1) - (o - p ** (2 - t1)) / (2 - t1)
        return float(terms.sum(axis=1).mean())

    return f


@pytest.mark.parametrize(("t1", "t2"), [(0.8, 1.2), (0.5, 4.0), (0.0, 2.0), (1.0, 1.5), (0.3, 1.0)])
def test_loss_and_gradient_equal_the_formula(t1: float, t2: float) -> None:
    z, y = logits_and_labels(1)
    formula = bi_tempered(t1, t2)
    value, gradient = value_and_gradient(build(f"bi-tempered:t1={t1},t2={t2}"), z, y)
    assert value == pytest.approx(formula(z, y, z), rel=1e-10)
    numeric = np.array([slope(formula, z, y, place) for place in np.ndindex(z.shape)]).reshape(z.shape)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-9)


def test_both_temperatures_of_1_are_the_cross_entropy() -> None:
    z, y = logits_and_labels(2)
    value, gradient = value_and_gradient(build("bi-tempered:t1=1,t2=1"), z, y)
    expected, gradient_of_ce = value_and_gradient(build("ce"), z, y)
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(gradient, gradient_of_ce, rtol=1e-9, atol=1e-14)
    assert float(loss_of(build("bi-tempered:t1=0.999999,t2=1.000001"), z, y)) == pytest.approx(expected, rel=1e-4)


def test_a_soft_t2_of_1_is_gce_plus_its_correction() -> None:
    """t2 = 1: -log_t1 p_y is (1 - p_y^q) / q of gce, q = 1 - t1."""
    z, y = logits_and_labels(2)
    p = np.exp(log_softmax(z))
    correction = float(((1 - (p**1.7).sum(axis=1)) / 1.7).mean())
    gce = float(loss_of(build("gce:q=0.7"), z, y))
    assert float(loss_of(build("bi-tempered:t1=0.3,t2=1"), z, y)) == pytest.approx(gce - correction, rel=1e-12)


def test_the_softmax_of_t_4_equals_the_authors_figures() -> None:
    """google/bi-tempered-loss, jax/loss_test.py, test_tempered_softmax. Their third row does not sum to 1."""
    z = torch.tensor([[-0.5, 0.1, 2.0], [0.1, 1.5, -5.0]], dtype=torch.float64)
    expected = [[0.3205458, 0.32714278, 0.3523402], [0.3430056, 0.36491093, 0.29220778]]
    np.testing.assert_allclose(tempered_log_softmax(z, 4.0).exp().numpy(), expected, atol=3e-4)


@pytest.mark.parametrize("t", [1.0, 1.0001, 1.2, 2.0, 4.0])
@pytest.mark.parametrize("scale", [0.0, 1.0, 300.0, 1e5])
def test_probabilities_sum_to_1_and_keep_the_order_of_classes(t: float, scale: float) -> None:
    z = torch.from_numpy(np.random.default_rng(0).normal(size=(50, 100)) * scale)
    log_p = tempered_log_softmax(z, t)
    torch.testing.assert_close(log_p.exp().sum(dim=1), torch.ones(50, dtype=torch.float64), rtol=0, atol=1e-12)
    assert torch.equal(log_p.argmax(dim=1), z.argmax(dim=1))


def test_the_loss_of_a_row_is_bounded() -> None:
    z = np.eye(K)[[0, 1, 2]] * 1e6
    loss = float(loss_of(build("bi-tempered:t1=0.5,t2=1.5"), z, np.array([1, 2, 3])))
    assert loss == pytest.approx(2.0, rel=1e-2)
    assert loss <= 2.0


def test_the_heavy_tailed_probabilities_are_judged_and_pick_the_checkpoint(tmp_path: Path) -> None:
    pipeline = members("bi-tempered:t1=0.8,t2=2", blobs(tmp_path, 300), epochs=3)
    outputs = pipeline.run(("val", "test"))
    member = pipeline.first
    logits = {
        name: member.network(torch.from_numpy(getattr(member.data, name).x)).detach().double() for name in outputs
    }
    for name, split in outputs.items():
        np.testing.assert_allclose(split.probs().numpy(), tempered_softmax(logits[name].numpy(), 2.0), atol=1e-6)
    p = tempered_softmax(logits["val"].numpy(), 2.0)
    y = member.data.val.y
    assert pipeline.fitted[0]["val_nll"] == pytest.approx(-np.log(p[np.arange(len(y)), y]).mean(), rel=1e-5)


def test_a_refit_has_its_own_softmax(tmp_path: Path) -> None:
    outputs = members("bi-tempered:t2=4+tst:epochs=2", blobs(tmp_path, 300), epochs=2).run(("test",))["test"]
    assert not torch.allclose(
        outputs.scores.double().exp().sum(dim=1), torch.ones(len(outputs), dtype=torch.float64), atol=1e-3
    )
