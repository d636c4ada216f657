"""Maps of one probability, and ets, against their formulas, written here in float64."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from calibrator_cases import (
    calibrated,
    calibrator,
    fit,
    nll,
    one_map,
    overconfident,
    probabilities_and_hits,
    softmax,
    two_columns,
    without_last_class,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.isotonic import IsotonicRegression

from calibench import Outputs
from calibench_methods.calibrators.ets import simplex_weights
from calibench_methods.calibrators.multiclass import columns, with_top


@pytest.mark.parametrize("text", ["platt", "beta", "isotonic:floor=0", "ivap:of=classes"])
def test_the_maps_of_two_classes_mirror_each_other(text: str) -> None:
    p, hit = probabilities_and_hits(120)
    probs = calibrated(text, two_columns(p), torch.from_numpy(hit).long())
    np.testing.assert_allclose(probs[:, 1], one_map(text, p, hit, p), atol=3e-6)


def test_columns_are_exact_where_probabilities_round_to_0_or_1() -> None:
    z = np.array([[0.0, -800.0, -801.0], [1.0, 1.0, -50.0], [-3e4, 0.0, -3e4]])
    by_class = columns(Outputs(torch.from_numpy(z)))
    log_p = z - np.logaddexp.reduce(z, axis=1, keepdims=True)
    log_q = np.stack([np.logaddexp.reduce(np.delete(log_p, k, axis=1), axis=1) for k in range(3)], axis=1)
    np.testing.assert_allclose(np.stack([c.log_p for c in by_class], axis=1), log_p, rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(np.stack([c.log_q for c in by_class], axis=1), log_q, rtol=1e-13, atol=2e-16)
    assert by_class[0].log_q[0] == pytest.approx(-800 + math.log1p(math.exp(-1)))


def test_the_top_is_replaced_and_the_others_keep_their_proportions() -> None:
    p = np.array([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1], [1.0, 0.0, 0.0], [0.4, 0.4, 0.2]])
    outputs, predicted = Outputs(torch.from_numpy(p), from_probs=True), np.zeros(4, dtype=np.int64)
    probs = with_top(outputs, predicted, np.array([0.8, 0.01, 0.9, 1.0])).probs().numpy()
    np.testing.assert_allclose(probs[0], [0.8, 0.15, 0.05], rtol=1e-14)
    np.testing.assert_allclose(probs[1], [3 / 7, 3 / 7, 1 / 7], rtol=1e-8)  # q = 0.75 (1 - q) ties with the second
    assert probs[1].argmax() == 0
    np.testing.assert_allclose(probs[2], [0.9, 0.05, 0.05], rtol=1e-14)
    np.testing.assert_allclose(probs[3], [1, 0, 0])


def test_a_row_mapped_to_zeros_keeps_its_probabilities() -> None:
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.45, 0.55]])
    stage = calibrator("isotonic:floor=0")
    fitted = {"maps": [{"p": [0.5, 0.6], "value": [0.0, 1.0]}, {"p": [0.6, 0.7], "value": [0.0, 1.0]}]}
    probs = stage.apply(two_columns(p[:, 1]), fitted).probs().numpy()
    np.testing.assert_allclose(probs, [[1, 0], [1, 0], [0, 1], [0.45, 0.55]], atol=1e-12)


def test_platt_is_the_minimum_of_platts_loss() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    p, hit = probabilities_and_hits(80, 1)
    odds = np.log(p) - np.log1p(-p)
    plus, minus = hit.sum(), (1 - hit).sum()
    target = np.where(hit == 1, (plus + 1) / (plus + 2), 1 / (minus + 2))

    def loss(c: np.ndarray) -> float:
        x = c[0] * odds + c[1]
        return float((np.logaddexp(0, x) - target * x).sum())

    slope, bias = optimize.minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-13}).x
    np.testing.assert_allclose(one_map("platt", p, hit, p), 1 / (1 + np.exp(-slope * odds - bias)), rtol=1e-6)


def test_platt_gives_an_absent_class_the_same_share_at_every_score() -> None:
    outputs, labels = without_last_class(50, 3, 2)
    slope, bias = (fit("platt", outputs, labels)[1]["maps"][2][key] for key in ("slope", "bias"))
    assert abs(slope) < 1e-6
    assert 1 / (1 + math.exp(-bias)) == pytest.approx(1 / 52, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_beta_is_the_constrained_minimum(seed: int) -> None:
    """With seed 3 the hits fall with the score, so a or b would be negative."""
    optimize = pytest.importorskip("scipy.optimize")
    p, hit = probabilities_and_hits(150, seed)
    hit = 1 - hit if seed == 3 else hit
    features = np.stack([np.log(p), -np.log1p(-p), np.ones(150)], axis=1)
    for pull in (1.0, 1e-4):

        def loss(c: np.ndarray, pull: float = pull) -> float:
            x = features @ c
            return float((np.logaddexp(0, x) - hit * x).sum() + pull / 2 * ((c - [1, 1, 0]) ** 2).sum())

        fitted = calibrator(f"beta:pull={pull}").fit(two_columns(p), torch.from_numpy(hit).long())["maps"][1]
        c = np.array([fitted["a"], fitted["b"], fitted["c"]])
        assert (c[:2] >= 0).all()
        peer = optimize.minimize(loss, [1, 1, 0], bounds=[(0, None), (0, None), (None, None)], method="L-BFGS-B")
        assert loss(c) <= peer.fun + 1e-7
        for i, step in itertools.product(range(3), (1e-4, -1e-4)):
            neighbour = c + step * np.eye(3)[i]
            assert (neighbour[:2] < 0).any() or loss(neighbour) > loss(c) - 1e-9
    if seed == 3:
        assert 0.0 in c[:2]


def test_beta_recovers_the_curve_of_the_labels() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.01, 0.99, 40_000)
    true = 1 / (1 + np.exp(-(0.5 * np.log(p) - 2 * np.log1p(-p) - 0.3)))
    curve = one_map("beta", p, (rng.random(40_000) < true).astype(float), p)
    assert np.abs(curve - true).max() < 0.02


def test_histogram_by_hand() -> None:
    p = np.array([0.0, 0.1, 0.2, 0.21, 0.55, 0.6, 1.0])
    hit = np.array([0, 1, 0, 1, 1, 0, 1.0])
    at = np.array([0.2, 0.2000001, 0.5, 0.6, 0.7, 0.81, 1.0])
    width = one_map("histogram:bins=5,floor=0,of=classes", p, hit, at)
    np.testing.assert_allclose(width, [1 / 3, 1, 1 / 2, 1 / 2, 0.7, 1, 1])  # (0.6, 0.8] is empty: its centre
    mass = one_map("histogram:bins=3,floor=0,of=classes,binning=mass", p, hit, at)
    np.testing.assert_allclose(mass, [1 / 2, 1 / 2, *[2 / 3] * 5])  # 2, 2, 3 samples, cut halfway
    floored = one_map("histogram:bins=1,of=classes", p, hit * 0, at)
    np.testing.assert_allclose(floored, 1 / 9)


def test_bbq_equals_its_formula() -> None:
    p, hit = probabilities_and_hits(60, 2)
    at = np.linspace(0.001, 0.999, 101)
    order = np.sort(p)
    scores, values = [], []
    for bins in range(1, math.ceil(10 * 60 ** (1 / 3)) + 1):
        cuts = sorted({i * 60 // bins for i in range(1, bins)} - {0})
        inner = [(order[c - 1] + order[c]) / 2 for c in cuts]
        score, value = 0.0, np.zeros(len(at))
        ends = [0.0, *inner, 1.0]
        for low, high in itertools.pairwise(ends):
            inside = (p > low) & (p <= high)
            n, m = int(inside.sum()), hit[inside].sum()
            prior, centre = 2 / (len(ends) - 1), (low + high) / 2
            a, b = prior * centre, prior * (1 - centre)
            score += math.lgamma(prior) - math.lgamma(n + prior)
            score += math.lgamma(m + a) - math.lgamma(a) + math.lgamma(n - m + b) - math.lgamma(b)
            value[(at > low) & (at <= high)] = (m + a) / (n + prior)
        scores.append(score)
        values.append(value)
    weight = np.exp(np.array(scores) - max(scores))
    weight *= weight >= 1e-3
    expected = weight @ np.array(values) / weight.sum()
    np.testing.assert_allclose(one_map("bbq:of=classes", p, hit, at), expected, rtol=1e-10)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 25), grid=st.sampled_from([5, 50, 10**6]))
def test_ivap_equals_two_isotonic_fits_per_sample(seed: int, n: int, grid: int) -> None:
    rng = np.random.default_rng(seed)
    p = (1 + rng.integers(grid - 1, size=n)) / grid
    hit = (rng.random(n) < p).astype(float)
    hit[0] = 1 - hit[-1]
    at = np.concatenate([p, (1 + rng.integers(grid - 1, size=6)) / grid])
    expected = []
    for s in at:
        p0, p1 = (
            IsotonicRegression(y_min=0, y_max=1).fit(np.append(p, s), np.append(hit, label)).predict([s])[0]
            for label in (0, 1)
        )
        expected.append(p1 / (1 - p0 + p1))
    np.testing.assert_allclose(one_map("ivap:of=classes", p, hit, at), expected, atol=2e-6)


def test_spline_is_the_least_squares_natural_spline() -> None:
    """The spline is written here in the truncated-power basis of natural splines; the map is the score plus its slope."""
    outputs, labels = overconfident(300, 4, 8)
    p = outputs.probs().numpy()
    order = np.argsort(p.max(axis=1))
    right = (p.argmax(axis=1) == labels.numpy())[order]
    scores = p.max(axis=1)[order]
    t, knots = np.arange(300) / 299, np.linspace(0, 1, 6)
    h = np.cumsum(right - scores) / 300

    def d(k: int, x: np.ndarray, power: int) -> np.ndarray:
        cubes = np.maximum(x - knots[k], 0) ** power - np.maximum(x - knots[-1], 0) ** power
        return cubes / (knots[-1] - knots[k])

    basis = np.stack([np.ones(300), t, *(d(k, t, 3) - d(4, t, 3) for k in range(4))], axis=1)
    c = np.linalg.lstsq(basis, h, rcond=None)[0]
    slopes = np.stack([np.zeros(300), np.ones(300), *(3 * (d(k, t, 2) - d(4, t, 2)) for k in range(4))], axis=1)
    expected = np.clip(scores + slopes @ c, 1 / 302, 1 - 1 / 302)
    stage, fitted = fit("spline", outputs, labels)
    np.testing.assert_allclose(fitted["maps"][0]["value"], expected, atol=1e-8)
    np.testing.assert_allclose(fitted["maps"][0]["score"], p.max(axis=1)[order], rtol=1e-12)
    after = stage.apply(outputs, fitted).probs().numpy()
    second = np.sort(p, axis=1)[:, -2] / (1 - p.max(axis=1))
    free = expected > (second / (1 + second))[order] + 1e-6
    assert free.mean() > 0.8
    np.testing.assert_allclose(after.max(axis=1)[order][free], expected[free], atol=1e-8)


def test_ets_weights_are_the_minimum_on_the_simplex() -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        label_probs = rng.beta(0.5, 0.5, size=(200, 3)) ** rng.integers(1, 4, size=3)
        label_probs[:, 2] = 0.1
        w = simplex_weights(label_probs)
        assert (w >= 0).all()
        assert w.sum() == pytest.approx(1, abs=1e-12)
        # Karush-Kuhn-Tucker: the ratio is at most 1, and 1 where the weight is not 0
        ratio = (label_probs / (label_probs @ w)[:, None]).mean(axis=0)
        assert ratio.max() < 1 + 2e-4
        np.testing.assert_allclose(ratio[w > 1e-4], 1, atol=2e-4)


def squared_error(p: np.ndarray, y: np.ndarray) -> float:
    return float(np.square(p - np.eye(p.shape[1])[y]).mean())


@pytest.mark.parametrize("seed", range(5))
def test_ets_minimises_the_squared_error_as_the_authors_code_does(seed: int) -> None:
    """Two searches from the text of Mix-n-Match: T alone, by a fine grid, then w on the simplex by SLSQP."""
    outputs, labels = overconfident(200, 4, seed)
    z, y = outputs.scores.numpy(), labels.numpy()
    _, fitted = fit("ets", outputs, labels)
    grid = np.exp(np.linspace(np.log(0.05), np.log(5), 4000))
    errors = [squared_error(softmax(z / t), y) for t in grid]
    assert fitted["temperature"] == pytest.approx(grid[int(np.argmin(errors))], rel=2e-3)
    assert squared_error(softmax(z / fitted["temperature"]), y) <= min(errors) + 1e-12
    parts = np.stack([softmax(z / fitted["temperature"]), softmax(z), np.full_like(z, 1 / 4)])

    def mixture(w: np.ndarray) -> float:
        return squared_error(np.tensordot(w, parts, 1), y)

    whole = {"type": "eq", "fun": lambda w: w.sum() - 1}
    found = minimize(mixture, [1, 0, 0], method="SLSQP", bounds=[(0, 1)] * 3, constraints=whole, tol=1e-14)
    assert mixture(np.array(fitted["weights"])) <= found.fun + 1e-9
    np.testing.assert_allclose(fitted["weights"], found.x, atol=2e-3)


@pytest.mark.parametrize("loss", ["mse", "ce"])
@pytest.mark.parametrize("seed", [0, 2])
def test_ets_agrees_with_probmetrics(loss: str, seed: int) -> None:
    """CalArena's ETS; seed 0 has three positive weights, seed 2 one."""
    peer = pytest.importorskip("probmetrics.calibrators").ETSCalibrator(loss=loss)
    outputs, labels = overconfident(400, 5, seed)
    peer.fit(outputs.probs().numpy(), labels.numpy())
    expected = peer.predict_proba(outputs.probs().numpy())
    np.testing.assert_allclose(calibrated(f"ets:loss={loss}", outputs, labels), expected, atol=2e-5)


def test_ets_of_the_squared_error_is_no_worse_in_it_than_the_other_and_the_reverse() -> None:
    outputs, labels = overconfident(300, 5, 9)
    y = labels.numpy()
    by_mse, by_ce = (calibrated(f"ets:loss={loss}", outputs, labels) for loss in ("mse", "ce"))
    assert squared_error(by_mse, y) < squared_error(by_ce, y)
    assert nll(by_ce, y) < nll(by_mse, y)


def test_ets_is_its_mixture_and_is_at_least_as_good_as_temperature() -> None:
    outputs, labels = overconfident(300, 5, 9)
    stage, fitted = fit("ets:loss=ce", outputs, labels)
    z, (w1, w2, w3) = outputs.scores.numpy(), fitted["weights"]
    expected = w1 * softmax(z / fitted["temperature"]) + w2 * softmax(z) + w3 / 5
    np.testing.assert_allclose(stage.apply(outputs, fitted).probs().numpy(), expected, rtol=1e-12)
    alone = fit("temperature", outputs, labels)[1]
    assert fitted["temperature"] == alone["temperature"]
    assert fitted["nll_after"] <= alone["nll_after"] + 1e-6


@pytest.mark.parametrize("split", [True, False])
def test_platt_binner_equals_its_steps(split: bool) -> None:
    p, hit = probabilities_and_hits(61, 3)
    order = np.argsort(hit, kind="stable")
    first, second = (order[::2], order[1::2]) if split else (order, order)
    g = one_map("platt", p[first], hit[first], p)
    inside = np.sort(g[second])
    cuts = [i * len(inside) // 4 for i in (1, 2, 3)]
    edges = [(inside[c - 1] + inside[c]) / 2 for c in cuts]
    bins = np.searchsorted(edges, g)
    expected = np.array([g[second][bins[second] == b].mean() for b in range(4)])[bins]
    mapped = one_map(f"platt-binner:bins=4,of=classes,split={str(split).lower()}", p, hit, p)
    np.testing.assert_allclose(mapped, expected, rtol=1e-9)
    assert len(np.unique(mapped)) == 4
