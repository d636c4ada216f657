"""Linear maps of logits (vector, matrix, dirichlet) against their losses, written here in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from calibrator_cases import calibrated, calibrator, fit, overconfident, softmax

from calibench import Outputs, RunError
from calibench_methods.calibrators.convex import newton
from calibench_methods.calibrators.dirichlet import Dirichlet
from calibench_methods.calibrators.logit_map import folds
from calibench_methods.calibrators.matrix import Affine
from calibench_methods.calibrators.vector import ScaleAndBias


def objective(name: str, x: np.ndarray, z: np.ndarray, y: np.ndarray, weights: tuple[float, ...]) -> float:
    """Mean NLL and penalty, written independently of the method."""
    k = z.shape[1]
    if name == "vector":
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


def parameters(name: str, fitted: dict[str, Any]) -> np.ndarray:
    """The fitted scale or weight, then the bias, as one vector."""
    keys = ("scale", "bias") if name == "vector" else ("weight", "bias")
    return np.concatenate([np.ravel(fitted[key]) for key in keys])


def check_stationary(loss: Callable[[np.ndarray], float], x: np.ndarray) -> None:
    """By finite differences the loss is flat at x and curves upwards in every parameter."""
    for i in range(len(x)):
        step = np.zeros(len(x))
        step[i] = 1e-4
        up, down = loss(x + step), loss(x - step)
        assert abs(up - down) / 2e-4 < 1e-7
        assert up + down > 2 * loss(x)


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("vector:l2=0.03", (0.03,)),
        ("matrix:lam=0.2,mu=0.05", (0.2, 0.05, 1e-3)),
        ("matrix:lam=0.2", (0.2, 0.1, 1e-3)),  # mu = lam / (K - 1)
        ("dirichlet:lam=0.02,mu=0.3,diagonal=0.01", (0.02, 0.3, 0.01)),
    ],
)
def test_the_fit_is_the_minimum_of_the_stated_loss(text: str, weights: tuple[float, ...]) -> None:
    optimize = pytest.importorskip("scipy.optimize")
    outputs, labels = overconfident(150, 3, 4)
    name = text.partition(":")[0]
    z, y = outputs.scores.numpy(), labels.numpy()
    z = np.log(softmax(z)) if name == "dirichlet" else z

    def loss(x: np.ndarray) -> float:
        return objective(name, x, z, y, weights)

    _, fitted = fit(text, outputs, labels)
    x = parameters(name, fitted)
    check_stationary(loss, x)
    start = np.concatenate([np.ones(3) if name == "vector" else np.eye(3).ravel(), np.zeros(3)])
    peer = optimize.minimize(loss, start, method="BFGS", options={"gtol": 1e-7})
    assert loss(x) <= peer.fun + 1e-10
    np.testing.assert_allclose(x, peer.x, atol=2e-4)
    mapped = calibrator(text).apply(outputs, fitted).scores.numpy()
    w = np.diag(fitted["scale"]) if name == "vector" else np.array(fitted["weight"])
    np.testing.assert_allclose(mapped, z @ w.T + fitted["bias"], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("model", [ScaleAndBias(4, 0.3), Affine(4, 0.3, 0.2, 0.1)], ids=["vector", "matrix"])
def test_penalties_are_symmetric_and_positive(model: Any) -> None:
    matrix = np.stack([model.penalty_product(row) for row in np.eye(len(model.start))])
    np.testing.assert_allclose(matrix, matrix.T)
    np.testing.assert_allclose(np.diag(matrix), model.penalty_diagonal())
    assert np.linalg.eigvalsh(matrix).min() > 0


def test_heavy_penalties_give_temperature_scaling_and_a_diagonal_map() -> None:
    outputs, labels = overconfident(400, 4, 1)
    t = calibrator("temperature").fit(outputs, labels)["temperature"]
    heavy = fit("vector:l2=1e6", outputs, labels)[1]
    np.testing.assert_allclose(heavy["scale"], 1 / t, rtol=1e-4)
    np.testing.assert_allclose(heavy["bias"], 0, atol=1e-5)
    diagonal = fit("dirichlet:lam=1e7", outputs, labels)[1]
    off_diagonal = np.array(diagonal["weight"])[~np.eye(4, dtype=bool)]
    assert np.abs(off_diagonal).max() < 1e-5
    assert np.abs(diagonal["bias"]).max() < 1e-5


def test_light_penalties_reach_the_likelihood_of_scikit_learn() -> None:
    """Without a penalty, dirichlet is multinomial logistic regression on ln p; the weights differ by a common row."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    outputs, labels = overconfident(800, 3, 5)
    features = np.log(softmax(outputs.scores.numpy()))
    peer = linear_model.LogisticRegression(C=1e8, tol=1e-10, max_iter=5000).fit(features, labels.numpy())
    probs = calibrated("dirichlet:lam=1e-8,mu=1e-8,diagonal=1e-8", outputs, labels)
    np.testing.assert_allclose(probs, peer.predict_proba(features), atol=1e-5)


def test_matrix_on_probabilities_equals_dirichlet() -> None:
    outputs, labels = overconfident(100, 3, 6)
    probs = Outputs(outputs.probs(), from_probs=True)
    np.testing.assert_allclose(
        calibrated("matrix:lam=0.1", probs, labels), calibrated("dirichlet:lam=0.1", probs, labels), rtol=1e-7
    )


def test_cross_validation_selects_the_penalty() -> None:
    """Independently: fit every weight on two thirds and judge it on the rest; the selected one is best among those compared."""
    outputs, labels = overconfident(90, 3, 7)
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
    selected = Dirichlet(None, None, 1e-3).fit(outputs, labels)["lam"]
    assert losses[selected] == pytest.approx(min(v for w, v in losses.items() if w >= selected / 100), rel=1e-5)


def test_a_fit_that_does_not_converge_is_an_error() -> None:
    def falling(x: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        return float(-x[0]), -np.ones(1), np.eye(1) * 1e-3

    with pytest.raises(RunError, match="platt: the fit did not converge"):
        newton(falling, np.zeros(1), "platt", steps=5)
