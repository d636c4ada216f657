"""The calibrators against other packages, where the definition is the same; where it is not, the test says how it differs.

`bbq`: netcal weighs binnings by BIC or AIC, not by the paper's score. `beta`, `platt`: netcal fits one map of all classes.
`vector`, `matrix`, `ets`, `platt-binner`, `spline`: no package at hand has them with these penalties and rules.
"""

from __future__ import annotations

import betacal
import numpy as np
import pytest
import torch
import venn_abers
from calibrator_cases import drawn, fitted_to, method, softmax, through
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from calibench import Outputs

pytestmark = pytest.mark.usefixtures("one_thread")


class Frozen(ClassifierMixin, BaseEstimator):
    """A classifier that is fitted already."""

    def __init__(self, classes: int = 3) -> None:
        self.classes = classes
        self.classes_ = np.arange(classes)

    def fit(self, X, y):
        return self

    def predict(self, X):
        return X.argmax(axis=1)


class Probabilities(Frozen):
    """Its input is its probabilities."""

    def predict_proba(self, X):
        return X


class Decisions(Frozen):
    """Its input is its decision function."""

    def decision_function(self, X):
        return X


def calibrated_by_sklearn(kind: str, model: Frozen, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    fitted = CalibratedClassifierCV(FrozenEstimator(model), method=kind, ensemble=False, cv=3).fit(x, y)
    return fitted.predict_proba(x)


@pytest.mark.parametrize("k", [3, 10])
def test_isotonic_is_scikit_learns(k: int) -> None:
    """A floor of 0 is theirs; a row of zeros is uniform there and left as it was here, so there must be none."""
    outputs, labels = drawn(60 * k, k, 1)
    found = through("isotonic:floor=0", outputs, labels)
    want = calibrated_by_sklearn("isotonic", Probabilities(k), outputs.probs().numpy(), labels.numpy())
    np.testing.assert_allclose(found, want, atol=1e-12)


def test_platt_is_scikit_learns() -> None:
    """The same targets; f is a decision function there, so it is given the log-odds. Its L-BFGS stops at about 1e-5."""
    outputs, labels = drawn(300, 3, 2)
    want = calibrated_by_sklearn("sigmoid", Decisions(3), log_odds(outputs), labels.numpy())
    np.testing.assert_allclose(through("platt", outputs, labels), want, atol=2e-4)


def log_odds(outputs: Outputs) -> np.ndarray:
    p = outputs.probs().numpy()
    return np.log(p) - np.log1p(-p)


def regression_of_sklearn(features: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Probabilities of scikit-learn's logistic regression without a penalty, at its optimum; a target in between is two rows."""
    rows, hits = np.concatenate([features, features]), np.repeat([1, 0], len(features))
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    return model.fit(rows, hits, sample_weight=np.concatenate([target, 1 - target])).predict_proba(features)[:, 1]


@pytest.mark.parametrize("k", [3, 10])
def test_platt_is_scikit_learns_logistic_regression_on_platts_targets(k: int) -> None:
    """Where its search goes on to the optimum: to 1e-6."""
    outputs, labels = drawn(100 * k, k, 2)
    odds, y = log_odds(outputs), labels.numpy()
    found = []
    for c in range(k):
        hit = y == c
        target = np.where(hit, (hit.sum() + 1) / (hit.sum() + 2), 1 / ((~hit).sum() + 2))
        found.append(regression_of_sklearn(odds[:, c : c + 1], target))
    want = np.stack(found, axis=1) / np.sum(found, axis=0)[:, None]
    np.testing.assert_allclose(through("platt", outputs, labels), want, atol=1e-6)


def test_isotonic_is_netcals() -> None:
    binning = pytest.importorskip("netcal.binning")
    outputs, labels = drawn(200, 4, 3)
    p = outputs.probs().numpy()
    peer = binning.IsotonicRegression()
    peer.fit(p, labels.numpy())
    np.testing.assert_allclose(through("isotonic:floor=0", outputs, labels), peer.transform(p), atol=1e-6)


def test_histogram_is_netcals() -> None:
    """Equal width, floor 0. An empty bin differs, and so does a probability on an edge: samples that fill all and lie on none."""
    binning = pytest.importorskip("netcal.binning")
    rng = np.random.default_rng(0)
    p = softmax(rng.normal(size=(3000, 3)) * 2)
    labels = np.array([rng.choice(3, p=row) for row in p])
    peer = binning.HistogramBinning(bins=10)
    peer.fit(p, labels)
    found = through(
        "histogram:bins=10,floor=0,of=classes", Outputs(torch.from_numpy(p), from_probs=True), torch.from_numpy(labels)
    )
    np.testing.assert_allclose(found, peer.transform(p), atol=1e-6)


def two(seed: int, n: int = 400, truth: float = 1.7) -> tuple[Outputs, torch.Tensor, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(0.8, 0.8, size=n)
    hit = (rng.random(n) < p**truth).astype(np.int64)
    return Outputs(torch.from_numpy(np.stack([1 - p, p], axis=1)), from_probs=True), torch.from_numpy(hit), p, hit


def test_beta_is_betacals() -> None:
    """Their abm has hardly any penalty: pull at its least. Their L-BFGS stops at about 1e-4."""
    outputs, labels, p, hit = two(4)
    peer = betacal.BetaCalibration("abm").fit(p[:, None], hit)
    found = through("beta:pull=1e-6", outputs, labels)[:, 1]
    np.testing.assert_allclose(found, peer.predict(p[:, None]), atol=2e-3)


@pytest.mark.parametrize(("seed", "truth", "held"), [(4, 1.7, None), (5, 1.7, None), (6, 0.01, 0), (6, 0.01, 1)])
def test_beta_is_scikit_learns_logistic_regression(seed: int, truth: float, held: int | None) -> None:
    """On betacal's features, where its search goes on to the optimum: to 1e-6. A negative coefficient is held at 0 there too."""
    _, _, p, hit = two(seed, truth=truth)
    if held == 1:  # the same seen from the other class: a and b change places
        p, hit = 1 - p, 1 - hit
    outputs = Outputs(torch.from_numpy(np.stack([1 - p, p], axis=1)), from_probs=True)
    features = np.stack([np.log(p), -np.log1p(-p)], axis=1)
    _, fitted = fitted_to("beta:pull=1e-6", outputs, torch.from_numpy(hit))
    assert [key for key in "ab" if fitted["maps"][1][key] == 0] == ([] if held is None else ["ab"[held]])
    want = regression_of_sklearn(features[:, [column for column in (0, 1) if column != held]], hit)
    found = through("beta:pull=1e-6", outputs, torch.from_numpy(hit))[:, 1]
    np.testing.assert_allclose(found, want, atol=1e-6)


def test_ivap_is_venn_abers() -> None:
    """Of two classes, where both are one-vs-rest of the same fit. They round scores only if asked to."""
    outputs, labels, p, hit = two(5)
    rng = np.random.default_rng(6)
    at = np.concatenate([p, rng.random(200)])
    peer = venn_abers.VennAbers()
    peer.fit(np.stack([1 - p, p], axis=1), hit, precision=None)
    want = peer.predict_proba(np.stack([1 - at, at], axis=1))[0][:, 1]
    others = Outputs(torch.from_numpy(np.stack([1 - at, at], axis=1)), from_probs=True)
    found = through("ivap:of=classes", outputs, labels, others)[:, 1]
    np.testing.assert_allclose(found, want, atol=3e-6)


def test_ivap_of_many_classes_does_not_raise_the_error_of_a_calibrated_network() -> None:
    """venn-abers' one-vs-one did, from .070 to .093, on real data; here the network is calibrated to begin with."""
    from calibench.metrics.ece import ECE
    from calibench.metrics.judged import Judged

    outputs, labels = drawn(2000, 10, 1, heat=1.0)
    others, truth = drawn(2000, 10, 2, heat=1.0)
    for text, room in (("ivap", 0.015), ("ivap:of=classes", 0.03)):
        stage = method(text)
        mapped = stage.apply(others, stage.fit(outputs, labels))
        raised = ECE(bins=15).value(Judged(mapped, truth)) - ECE(bins=15).value(Judged(others, truth))
        assert raised < room, text


@pytest.mark.parametrize("k", [2, 3, 10])
def test_temperature_is_probmetrics(k: int) -> None:
    """Theirs bisects the gradient."""
    from probmetrics.calibrators import temperature_scaling as peer
    from probmetrics.distributions import CategoricalLogits

    outputs, labels = drawn(400 * k, k, 1)
    theirs = peer.TemperatureScalingCalibrator(max_bisection_steps=60)
    theirs.fit_torch(CategoricalLogits(outputs.logits()), labels)
    want = theirs.predict_proba_torch(CategoricalLogits(outputs.logits())).get_probs()
    found = through("temperature", outputs, labels)
    np.testing.assert_allclose(np.asarray(found), want.numpy(), atol=1e-6)
