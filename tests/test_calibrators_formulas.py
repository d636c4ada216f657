"""Each calibrator against its formula, written here in float64."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from calibrator_cases import absent, drawn, fitted_to, method, softmax, through
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from calibench import Outputs, RunError
from calibench_methods.calibrators.convex import folds, newton
from calibench_methods.calibrators.dirichlet import Dirichlet
from calibench_methods.calibrators.ets import simplex_weights
from calibench_methods.calibrators.matrix import Affine
from calibench_methods.calibrators.multiclass import columns, with_top
from calibench_methods.calibrators.vector import ScaleAndBias

pytestmark = pytest.mark.usefixtures("one_thread")

# --- linear maps of logits ------------------------------------------------------------------------------------------


def objective(which: str, x: np.ndarray, z: np.ndarray, y: np.ndarray, weights: tuple[float, ...]) -> float:
    """Mean NLL and penalty, written apart from the method."""
    k = z.shape[1]
    if which == "vector":
        scale, bias = x[:k], x[k:]
        mapped = scale * z + bias
        penalty = weights[0] * (scale.var() + (bias**2).mean()) + 1e-6 * (scale.mean() - 1) ** 2
    else:
        w, bias = x[:-k].reshape(k, k), x[-k:]
        mapped = z @ w.T + bias
        off = w[~np.eye(k, dtype=bool)]
        lam, mu, diagonal = weights
        penalty = lam * (off**2).mean() + mu * (bias**2).mean() + diagonal * ((np.diag(w) - 1) ** 2).mean()
    return float((np.logaddexp.reduce(mapped, axis=1) - mapped[np.arange(len(y)), y]).mean() + penalty)


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("vector:l2=0.03", (0.03,)),
        ("matrix:lam=0.2,mu=0.05", (0.2, 0.05, 1e-3)),
        ("matrix:lam=0.2", (0.2, 0.1, 1e-3)),  # mu = lam / (K - 1)
        ("dirichlet:lam=0.02,mu=0.3,diagonal=0.01", (0.02, 0.3, 0.01)),
    ],
)
def test_the_linear_fits_are_minima_of_the_stated_loss(text: str, weights: tuple[float, ...]) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    outputs, labels = drawn(150, 3, 4)
    which = text.partition(":")[0]
    z, y = outputs.scores.numpy(), labels.numpy()
    z = np.log(softmax(z)) if which == "dirichlet" else z
    _, fitted = fitted_to(text, outputs, labels)
    keys = ("scale", "bias") if which == "vector" else ("weight", "bias")
    found = np.concatenate([np.ravel(fitted[key]) for key in keys])
    least = objective(which, found, z, y, weights)
    for i in range(len(found)):  # finite differences: flat, and bent upwards
        step = np.zeros(len(found))
        step[i] = 1e-4
        up, down = (objective(which, found + s * step, z, y, weights) for s in (1, -1))
        assert abs(up - down) / 2e-4 < 1e-7
        assert up + down > 2 * least
    start = np.concatenate([np.ones(3) if which == "vector" else np.eye(3).ravel(), np.zeros(3)])
    other = optimize.minimize(objective_of(which, z, y, weights), start, method="BFGS", options={"gtol": 1e-7})
    assert least <= other.fun + 1e-10
    np.testing.assert_allclose(found, other.x, atol=2e-4)
    mapped = method(text).apply(outputs, fitted).scores.numpy()
    w = np.diag(fitted["scale"]) if which == "vector" else np.array(fitted["weight"])
    np.testing.assert_allclose(mapped, z @ w.T + fitted["bias"], rtol=1e-12, atol=1e-12)


def objective_of(which: str, z: np.ndarray, y: np.ndarray, weights: tuple[float, ...]) -> Any:
    return lambda x: objective(which, x, z, y, weights)


@pytest.mark.parametrize("model", [ScaleAndBias(4, 0.3), Affine(4, 0.3, 0.2, 0.1)], ids=["vector", "matrix"])
def test_penalties_are_symmetric_and_positive(model: Any) -> None:
    matrix = np.stack([model.penalised(row) for row in np.eye(len(model.start))])
    np.testing.assert_allclose(matrix, matrix.T)
    np.testing.assert_allclose(np.diag(matrix), model.penalty_diagonal())
    assert np.linalg.eigvalsh(matrix).min() > 0


def test_heavy_penalties_leave_temperature_scaling_and_the_diagonal() -> None:
    outputs, labels = drawn(400, 4, 1)
    t = method("temperature").fit(outputs, labels)["temperature"]
    heavy = fitted_to("vector:l2=1e6", outputs, labels)[1]
    np.testing.assert_allclose(heavy["scale"], 1 / t, rtol=1e-4)
    np.testing.assert_allclose(heavy["bias"], 0, atol=1e-5)
    held = fitted_to("dirichlet:lam=1e7", outputs, labels)[1]
    off = np.array(held["weight"])[~np.eye(4, dtype=bool)]
    assert np.abs(off).max() < 1e-5
    assert np.abs(held["bias"]).max() < 1e-5


def test_light_penalties_reach_the_likelihood_of_scikit_learn() -> None:
    """Without a penalty dirichlet's map is multinomial logistic regression on ln p; weights differ by a common row."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    outputs, labels = drawn(800, 3, 5)
    features = np.log(softmax(outputs.scores.numpy()))
    peer = linear_model.LogisticRegression(C=1e8, tol=1e-10, max_iter=5000).fit(features, labels.numpy())
    found = through("dirichlet:lam=1e-8,mu=1e-8,diagonal=1e-8", outputs, labels)
    np.testing.assert_allclose(found, peer.predict_proba(features), atol=1e-5)


def test_matrix_is_dirichlet_on_probabilities() -> None:
    outputs, labels = drawn(100, 3, 6)
    probs = Outputs(outputs.probs(), from_probs=True)
    np.testing.assert_allclose(
        through("matrix:lam=0.1", probs, labels), through("dirichlet:lam=0.1", probs, labels), rtol=1e-7
    )


def test_the_penalty_is_picked_on_held_out_folds() -> None:
    """Independent: every weight fitted on two thirds, judged on the other; the pick is the best of those before the stop."""
    outputs, labels = drawn(90, 3, 7)
    z, y = np.log(softmax(outputs.scores.numpy())), labels.numpy()
    fold = folds(y)
    assert sorted(np.bincount(fold)) == [30, 30, 30]
    for k in range(3):
        counts = np.bincount(fold[y == k], minlength=3)
        assert counts.max() - counts.min() <= 1
    losses = {}
    for power in range(5, -5, -1):
        model = Affine(3, 10.0**power, 10.0**power / 2, 1e-3)
        total = sum(
            30 * model.nll(model.fit(z[fold != f], y[fold != f], "dirichlet"), z[fold == f], y[fold == f])
            for f in range(3)
        )
        losses[10.0**power] = total
    picked = Dirichlet(None, None, 1e-3).fit(outputs, labels)["lam"]
    assert losses[picked] == pytest.approx(min(v for w, v in losses.items() if w >= picked / 100), rel=1e-5)


def test_a_fit_that_cannot_end_says_so() -> None:
    def falling(x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        return float(-x[0]), -np.ones(1), np.eye(1) * 1e-3

    with pytest.raises(RunError, match="platt: the fit did not converge"):
        newton(falling, np.zeros(1), "platt", steps=5)


# --- maps of one probability ----------------------------------------------------------------------------------------


def binary(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([n, seed])
    p = rng.beta(0.7, 0.9, size=n)
    return p, (rng.random(n) < p**2).astype(np.float64)


def two_columns(p: np.ndarray) -> Outputs:
    return Outputs(torch.from_numpy(np.stack([1 - p, p], axis=1)), from_probs=True)


def one_map(text: str, p: np.ndarray, hit: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The map of class 1 of two, which `of=classes` keeps apart from class 0's until rows are divided by their sums."""
    stage = method(text)
    fitted = stage.fit(two_columns(p), torch.from_numpy(hit).long())
    return stage.apply_one(columns(two_columns(at))[1], fitted["maps"][1])


@pytest.mark.parametrize("text", ["platt", "beta", "isotonic:floor=0", "ivap:of=classes"])
def test_of_two_classes_the_maps_mirror_each_other(text: str) -> None:
    p, hit = binary(120)
    found = one_map(text, p, hit, p)
    np.testing.assert_allclose(through(text, two_columns(p), torch.from_numpy(hit).long())[:, 1], found, atol=3e-6)


def test_columns_keep_what_rounding_takes() -> None:
    z = np.array([[0.0, -800.0, -801.0], [1.0, 1.0, -50.0], [-3e4, 0.0, -3e4]])
    found = columns(Outputs(torch.from_numpy(z)))
    log_p = z - np.logaddexp.reduce(z, axis=1, keepdims=True)
    log_q = np.stack([np.logaddexp.reduce(np.delete(log_p, k, axis=1), axis=1) for k in range(3)], axis=1)
    np.testing.assert_allclose(np.stack([c.log_p for c in found], axis=1), log_p, rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(np.stack([c.log_q for c in found], axis=1), log_q, rtol=1e-13, atol=2e-16)
    assert found[0].log_q[0] == pytest.approx(-800 + math.log1p(math.exp(-1)))


def test_the_top_is_replaced_and_the_rest_keeps_its_proportions() -> None:
    p = np.array([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1], [1.0, 0.0, 0.0], [0.4, 0.4, 0.2]])
    best = np.zeros(4, dtype=np.int64)
    found = (
        with_top(Outputs(torch.from_numpy(p), from_probs=True), best, np.array([0.8, 0.01, 0.9, 1.0])).probs().numpy()
    )
    np.testing.assert_allclose(found[0], [0.8, 0.15, 0.05], rtol=1e-14)
    np.testing.assert_allclose(found[1], [3 / 7, 3 / 7, 1 / 7], rtol=1e-8)  # q = 0.75 (1 - q) ties with the second
    assert found[1].argmax() == 0
    np.testing.assert_allclose(found[2], [0.9, 0.05, 0.05], rtol=1e-14)
    np.testing.assert_allclose(found[3], [1, 0, 0])


def test_a_row_of_zeros_stays_as_it_was() -> None:
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.45, 0.55]])
    stage = method("isotonic:floor=0")
    nothing = {"maps": [{"p": [0.5, 0.6], "value": [0.0, 1.0]}, {"p": [0.6, 0.7], "value": [0.0, 1.0]}]}
    found = stage.apply(two_columns(p[:, 1]), nothing).probs().numpy()
    np.testing.assert_allclose(found, [[1, 0], [1, 0], [0, 1], [0.45, 0.55]], atol=1e-12)


def test_platt_is_the_minimum_of_platts_loss() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    p, hit = binary(80, 1)
    odds = np.log(p) - np.log1p(-p)
    plus, minus = hit.sum(), (1 - hit).sum()
    target = np.where(hit == 1, (plus + 1) / (plus + 2), 1 / (minus + 2))

    def loss(c: np.ndarray) -> float:
        x = c[0] * odds + c[1]
        return float((np.logaddexp(0, x) - target * x).sum())

    slope, bias = optimize.minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-13}).x
    np.testing.assert_allclose(one_map("platt", p, hit, p), 1 / (1 + np.exp(-slope * odds - bias)), rtol=1e-6)


def test_platt_of_an_absent_class_is_platts_share_at_any_score() -> None:
    outputs, labels = absent(50, 3, 2)
    slope, bias = (fitted_to("platt", outputs, labels)[1]["maps"][2][key] for key in ("slope", "bias"))
    assert abs(slope) < 1e-6
    assert 1 / (1 + math.exp(-bias)) == pytest.approx(1 / 52, rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_beta_is_the_constrained_minimum(seed: int) -> None:
    """Also where a or b would be negative: hits that fall with the score."""
    optimize = pytest.importorskip("scipy.optimize")
    p, hit = binary(150, seed)
    hit = 1 - hit if seed == 3 else hit
    features = np.stack([np.log(p), -np.log1p(-p), np.ones(150)], axis=1)
    for pull in (1.0, 1e-4):

        def loss(c: np.ndarray, pull: float = pull) -> float:
            x = features @ c
            return float((np.logaddexp(0, x) - hit * x).sum() + pull / 2 * ((c - [1, 1, 0]) ** 2).sum())

        found = method(f"beta:pull={pull}").fit(two_columns(p), torch.from_numpy(hit).long())["maps"][1]
        c = np.array([found["a"], found["b"], found["c"]])
        assert (c[:2] >= 0).all()
        other = optimize.minimize(loss, [1, 1, 0], bounds=[(0, None), (0, None), (None, None)], method="L-BFGS-B")
        assert loss(c) <= other.fun + 1e-7
        for i, step in ((i, s) for i in range(3) for s in (1e-4, -1e-4)):
            moved = c + step * np.eye(3)[i]
            assert (moved[:2] < 0).any() or loss(moved) > loss(c) - 1e-9
    if seed == 3:
        assert 0.0 in c[:2]


def test_beta_finds_the_curve_that_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    p = rng.uniform(0.01, 0.99, 40_000)
    true = 1 / (1 + np.exp(-(0.5 * np.log(p) - 2 * np.log1p(-p) - 0.3)))
    found = one_map("beta", p, (rng.random(40_000) < true).astype(float), p)
    assert np.abs(found - true).max() < 0.02


def test_histogram_by_hand() -> None:
    p = np.array([0.0, 0.1, 0.2, 0.21, 0.55, 0.6, 1.0])
    hit = np.array([0, 1, 0, 1, 1, 0, 1.0])
    at = np.array([0.2, 0.2000001, 0.5, 0.6, 0.7, 0.81, 1.0])
    found = one_map("histogram:bins=5,floor=0,of=classes", p, hit, at)
    np.testing.assert_allclose(found, [1 / 3, 1, 1 / 2, 1 / 2, 0.7, 1, 1])  # (0.6, 0.8] is empty: its centre
    mass = one_map("histogram:bins=3,floor=0,of=classes,binning=mass", p, hit, at)
    np.testing.assert_allclose(mass, [1 / 2, 1 / 2, *[2 / 3] * 5])  # 2, 2, 3 samples, cut halfway
    floored = one_map("histogram:bins=1,of=classes", p, hit * 0, at)
    np.testing.assert_allclose(floored, 1 / 9)


def test_bbq_equals_its_formula() -> None:
    p, hit = binary(60, 2)
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
    want = weight @ np.array(values) / weight.sum()
    np.testing.assert_allclose(one_map("bbq:of=classes", p, hit, at), want, rtol=1e-10)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 25), grid=st.sampled_from([5, 50, 10**6]))
def test_ivap_equals_two_isotonic_fits_a_sample(seed: int, n: int, grid: int) -> None:
    rng = np.random.default_rng(seed)
    p = (1 + rng.integers(grid - 1, size=n)) / grid
    hit = (rng.random(n) < p).astype(float)
    hit[0] = 1 - hit[-1]
    at = np.concatenate([p, (1 + rng.integers(grid - 1, size=6)) / grid])
    want = []
    for s in at:
        p0, p1 = (
            IsotonicRegression(y_min=0, y_max=1).fit(np.append(p, s), np.append(hit, label)).predict([s])[0]
            for label in (0, 1)
        )
        want.append(p1 / (1 - p0 + p1))
    # Scores that are not stored apart from 1 - (1 - p): class 1's column is what was given.
    np.testing.assert_allclose(one_map("ivap:of=classes", p, hit, at), want, atol=2e-6)


def test_spline_is_the_least_squares_natural_spline() -> None:
    """Written here in the truncated-power basis of natural splines; its slope at each sample's fractile."""
    outputs, labels = drawn(300, 4, 8)
    p = outputs.probs().numpy()
    order = np.argsort(p.max(axis=1))
    right = (p.argmax(axis=1) == labels.numpy())[order]
    t, knots = np.arange(301) / 300, np.linspace(0, 1, 6)
    h = np.concatenate([[0], np.cumsum(right)]) / 300

    def d(k: int, x: np.ndarray, power: int) -> np.ndarray:
        cubes = np.maximum(x - knots[k], 0) ** power - np.maximum(x - knots[-1], 0) ** power
        return cubes / (knots[-1] - knots[k])

    basis = np.stack([np.ones(301), t, *(d(k, t, 3) - d(4, t, 3) for k in range(4))], axis=1)
    c = np.linalg.lstsq(basis, h, rcond=None)[0]
    mid = (np.arange(300) + 0.5) / 300
    slopes = np.stack([np.zeros(300), np.ones(300), *(3 * (d(k, mid, 2) - d(4, mid, 2)) for k in range(4))], axis=1)
    want = np.clip(slopes @ c, 1 / 302, 1 - 1 / 302)
    stage, fitted = fitted_to("spline", outputs, labels)
    np.testing.assert_allclose(fitted["maps"][0]["value"], want, atol=1e-8)
    np.testing.assert_allclose(fitted["maps"][0]["score"], p.max(axis=1)[order], rtol=1e-12)
    after = stage.apply(outputs, fitted).probs().numpy()
    second = np.sort(p, axis=1)[:, -2] / (1 - p.max(axis=1))
    free = want > (second / (1 + second))[order] + 1e-6
    assert free.mean() > 0.8
    np.testing.assert_allclose(after.max(axis=1)[order][free], want[free], atol=1e-8)


def test_ets_weights_are_the_minimum_on_the_simplex() -> None:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        own = rng.beta(0.5, 0.5, size=(200, 3)) ** rng.integers(1, 4, size=3)
        own[:, 2] = 0.1
        w = simplex_weights(own)
        assert (w >= 0).all()
        assert w.sum() == pytest.approx(1, abs=1e-12)
        ratio = (own / (own @ w)[:, None]).mean(
            axis=0
        )  # Karush-Kuhn-Tucker: at most 1, and 1 where the weight is not 0
        assert ratio.max() < 1 + 2e-4
        np.testing.assert_allclose(ratio[w > 1e-4], 1, atol=2e-4)


def test_ets_mixes_and_never_loses_to_temperature() -> None:
    outputs, labels = drawn(300, 5, 9)
    stage, fitted = fitted_to("ets", outputs, labels)
    z, (w1, w2, w3) = outputs.scores.numpy(), fitted["weights"]
    want = w1 * softmax(z / fitted["temperature"]) + w2 * softmax(z) + w3 / 5
    np.testing.assert_allclose(stage.apply(outputs, fitted).probs().numpy(), want, rtol=1e-12)
    alone = fitted_to("temperature", outputs, labels)[1]
    assert fitted["temperature"] == alone["temperature"]
    assert fitted["nll_after"] <= alone["nll_after"] + 1e-6


@pytest.mark.parametrize("split", [True, False])
def test_platt_binner_by_its_steps(split: bool) -> None:
    p, hit = binary(61, 3)
    order = np.argsort(hit, kind="stable")
    first, second = (order[::2], order[1::2]) if split else (order, order)
    g = one_map("platt", p[first], hit[first], p)
    inside = np.sort(g[second])
    cuts = [i * len(inside) // 4 for i in (1, 2, 3)]
    edges = [(inside[c - 1] + inside[c]) / 2 for c in cuts]
    bins = np.searchsorted(edges, g)
    want = np.array([g[second][bins[second] == b].mean() for b in range(4)])[bins]
    found = one_map(f"platt-binner:bins=4,of=classes,split={str(split).lower()}", p, hit, p)
    np.testing.assert_allclose(found, want, rtol=1e-9)
    assert len(np.unique(found)) == 4
