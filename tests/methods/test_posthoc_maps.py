"""Splines, isotonic maps and temperatures by entropy against their formulas, written here in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from calibrator_cases import calibrated, fit, nll, one_map, overconfident, probabilities_and_hits, softmax, two_columns
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from calibench import Outputs


def test_spline_leaves_a_calibrated_network_as_it_is() -> None:
    """Fitted to hit - score, the correction is near 0; fitted to the hits alone, the map took .7 to .92."""
    rng = np.random.default_rng(0)
    top = 1 - rng.beta(0.25, 6, size=20_000) / 2  # most scores crowd near 1
    outputs = Outputs(torch.from_numpy(np.stack([top, 1 - top], axis=1)), from_probs=True)
    labels = torch.from_numpy((rng.random(20_000) > top).astype(int))
    assert 0.96 < (labels == 0).double().mean() < 0.985
    at = Outputs(torch.tensor([[0.7, 0.3], [0.9, 0.1], [0.99, 0.01]], dtype=torch.float64), from_probs=True)
    stage, fitted = fit("spline", outputs, labels)
    np.testing.assert_allclose(stage.apply(at, fitted).probs()[:, 0], [0.7, 0.9, 0.99], atol=0.01)


def test_cir_draws_each_step_into_its_centre() -> None:
    """Steps 0, 1/3 and 1 by hand: the outer ones keep their ends, and the middle one is a point at its mean p."""
    p = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8])
    hit = np.array([0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0])
    at = np.array([0.05, 0.2, 0.3, 0.4, 0.55, 0.7, 0.9])
    expected = np.interp(at, [0.1, 0.2, 0.4, 0.7, 0.8], [0, 0, 1 / 3, 1, 1])
    np.testing.assert_allclose(one_map("cir:floor=0,of=classes", p, hit, at), expected, atol=1e-12)


def test_irm_is_one_isotonic_fit_of_all_pairs() -> None:
    outputs, labels = overconfident(120, 4, 13)
    p, hits = outputs.probs().numpy(), np.eye(4)[labels.numpy()]
    peer = IsotonicRegression(out_of_bounds="clip").fit(p.ravel(), hits.ravel())
    at = overconfident(60, 4, 14)[0]
    q = np.maximum(peer.predict(at.probs().numpy().ravel()), 1 / 482).reshape(60, 4) + 1e-9 * at.probs().numpy()
    np.testing.assert_allclose(calibrated("irm", outputs, labels, at), q / q.sum(axis=1, keepdims=True), atol=1e-9)


@pytest.mark.parametrize("lam", [1e-4, 0.1])
def test_spline_calib_is_the_minimum_of_its_loss(lam: float) -> None:
    """The loss with B-splines replaced by their defining numbers: a natural cubic spline by SciPy, its roughness by quadrature."""
    interpolate = pytest.importorskip("scipy.interpolate")
    p, hit = probabilities_and_hits(300, 5)
    outputs = two_columns(p)
    _, document = fit(f"spline-calib:knots=6,lam={lam}", outputs, torch.from_numpy(hit.astype(int)))
    fitted = document["maps"][1]
    f = np.log(p) - np.log1p(-p)
    x = (f - f.mean()) / f.std()
    knots = np.quantile(x, np.linspace(0, 1, 6))
    np.testing.assert_allclose((np.array(fitted["knots"]) - f.mean()) / f.std(), knots, atol=1e-9)
    grid = np.arange(1, 100) / 100
    at = np.concatenate([x, (np.log(grid) - np.log1p(-grid) - f.mean()) / f.std()])
    target, weight = np.concatenate([hit, grid]), np.concatenate([np.ones(300), np.full(99, 20 / 99)])

    def loss(values: np.ndarray) -> float:
        h = interpolate.CubicSpline(knots, values, bc_type="natural")
        inside = np.clip(at, knots[0], knots[-1])
        z = h(inside) + h(inside, 1) * (at - inside)
        fine = np.linspace(knots[0], knots[-1], 20_001)
        rough = np.trapezoid(h(fine, 2) ** 2, fine)
        return float(weight @ (np.logaddexp(0, z) - target * z) / weight.sum() + lam / 2 * rough)

    values = np.array(fitted["values"])
    least = loss(values)
    for i in range(6):
        for step in (-1e-3, 1e-3):
            moved = values.copy()
            moved[i] += step
            assert loss(moved) > least
    q = calibrated(f"spline-calib:knots=6,lam={lam}", outputs, torch.from_numpy(hit.astype(int)))[:, 1]
    h = interpolate.CubicSpline(knots, values, bc_type="natural")
    np.testing.assert_allclose(q, 1 / (1 + np.exp(-h(x))), atol=2e-3)  # the map of class 0 is its mirror


def test_a_stiff_spline_calib_is_a_sigmoid() -> None:
    """With a large lam the spline is a line: logistic regression on the log-odds, without the prior but for its weight of 1e-3."""
    p, hit = probabilities_and_hits(400, 6)
    outputs = two_columns(p)
    fitted = fit("spline-calib:lam=1e6,prior=1e-3", outputs, torch.from_numpy(hit.astype(int)))[1]["maps"][1]
    knots, values = np.array(fitted["knots"]), np.array(fitted["values"])
    slope, bias = np.polyfit(knots, values, 1)
    np.testing.assert_allclose(values, slope * knots + bias, atol=1e-5)
    f = np.log(p) - np.log1p(-p)
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12).fit(f[:, None], hit)
    np.testing.assert_allclose([slope, bias], [model.coef_[0, 0], model.intercept_[0]], rtol=1e-3, atol=1e-4)


def test_adaptive_temperature_is_a_minimum_and_no_worse_than_one_temperature() -> None:
    outputs, labels = overconfident(600, 4, 15, temperature=3.0)
    stage, fitted = fit("adaptive-temperature", outputs, labels)
    z, y = outputs.scores.numpy(), labels.numpy()
    p = softmax(z)
    log_entropy = np.log(-(p * np.log(p)).sum(axis=1) / math.log(4))

    def loss(w: float, b: float) -> float:
        return nll(softmax(z / np.log1p(np.exp(w * log_entropy + b))[:, None]), y)

    w, b = fitted["w"], fitted["b"]
    assert fitted["nll_after"] == pytest.approx(loss(w, b), abs=1e-9)
    for step in ((1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3)):
        assert loss(w + step[0], b + step[1]) > loss(w, b)
    assert fitted["nll_after"] <= fit("temperature", outputs, labels)[1]["nll_after"]
    one = stage.apply(outputs, {"w": 0.0, "b": math.log(math.expm1(3.0))})  # w = 0 is temperature scaling
    np.testing.assert_allclose(one.scores.numpy(), z / 3, rtol=1e-12)


def test_adaptive_temperature_finds_a_temperature_that_follows_the_entropy() -> None:
    """Labels are drawn with T = softplus(ln H + 2.5), H the normalised entropy."""
    rng = np.random.default_rng(3)
    z = rng.normal(size=(20_000, 3)) * 3
    p = softmax(z)
    true_t = np.log1p(np.exp(np.log(-(p * np.log(p)).sum(axis=1) / math.log(3)) + 2.5))
    labels = np.array([rng.choice(3, p=row) for row in softmax(z / true_t[:, None])])
    _, fitted = fit("adaptive-temperature", Outputs(torch.from_numpy(z)), torch.from_numpy(labels))
    assert fitted["w"] == pytest.approx(1, abs=0.15)
    assert fitted["b"] == pytest.approx(2.5, abs=0.15)


def test_spline_calib_fits_scores_of_few_values() -> None:
    """A forest of 200 trees votes in steps of .005, with many exact 0, and rounding sets equal votes 1e-16 apart."""
    rng = np.random.default_rng(7)
    votes = np.where(rng.random(1000) < 0.6, 0, rng.integers(0, 201, size=1000))
    p = np.clip(votes / 200 + rng.choice([0, 1e-12], size=1000), 0, 1)
    hit = (rng.random(1000) < p**1.3).astype(np.float64)
    at = np.array([0.0, 0.1, 0.5, 0.9, 1.0])
    mapped = one_map("spline-calib", p, hit, at)
    np.testing.assert_allclose(mapped, at**1.3, atol=0.08)
    assert (np.diff(mapped) > 0).all()
