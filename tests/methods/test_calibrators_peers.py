"""Calibrators against other packages with the same definition; each test states how the packages differ.

`bbq`: netcal weights binnings by BIC or AIC, not by the paper's score. `beta`, `platt`: netcal fits one map for all classes.
`vector`, `matrix`, `ets`, `platt-binner`: no installed package has them with these penalties and rules.
`test_posthoc_peers.py` has those that probmetrics has.
"""

from __future__ import annotations

import betacal
import numpy as np
import pytest
import torch
import venn_abers
from calibrator_cases import calibrated, calibrator, fit, overconfident, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from calibench import Outputs
from calibench.metrics.ece import ECE
from calibench.metrics.judged import Judged


class Frozen(ClassifierMixin, BaseEstimator):
    """A fitted classifier."""

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
def test_isotonic_equals_scikit_learn(k: int) -> None:
    """scikit-learn's floor is 0. It makes a row of zeros uniform, while calibench keeps it, so there must be none."""
    outputs, labels = overconfident(60 * k, k, 1)
    peer = calibrated_by_sklearn("isotonic", Probabilities(k), outputs.probs().numpy(), labels.numpy())
    np.testing.assert_allclose(calibrated("isotonic:floor=0", outputs, labels), peer, atol=1e-12)


def test_platt_equals_scikit_learn() -> None:
    """The targets are the same. scikit-learn maps a decision function, here the log-odds, and its L-BFGS stops at about 1e-5."""
    outputs, labels = overconfident(300, 3, 2)
    peer = calibrated_by_sklearn("sigmoid", Decisions(3), log_odds(outputs), labels.numpy())
    np.testing.assert_allclose(calibrated("platt", outputs, labels), peer, atol=2e-4)


def log_odds(outputs: Outputs) -> np.ndarray:
    p = outputs.probs().numpy()
    return np.log(p) - np.log1p(-p)


def regression_of_sklearn(features: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Probabilities of scikit-learn's logistic regression without a penalty, at its optimum; each target is two weighted rows."""
    rows, hits = np.concatenate([features, features]), np.repeat([1, 0], len(features))
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    return model.fit(rows, hits, sample_weight=np.concatenate([target, 1 - target])).predict_proba(features)[:, 1]


@pytest.mark.parametrize("k", [3, 10])
def test_platt_equals_scikit_learns_logistic_regression_on_platts_targets(k: int) -> None:
    """scikit-learn's search reaches the optimum here, so the two agree to 1e-6."""
    outputs, labels = overconfident(100 * k, k, 2)
    odds, y = log_odds(outputs), labels.numpy()
    peers = []
    for c in range(k):
        hit = y == c
        target = np.where(hit, (hit.sum() + 1) / (hit.sum() + 2), 1 / ((~hit).sum() + 2))
        peers.append(regression_of_sklearn(odds[:, c : c + 1], target))
    expected = np.stack(peers, axis=1) / np.sum(peers, axis=0)[:, None]
    np.testing.assert_allclose(calibrated("platt", outputs, labels), expected, atol=1e-6)


def test_isotonic_equals_netcal() -> None:
    binning = pytest.importorskip("netcal.binning")
    outputs, labels = overconfident(200, 4, 3)
    p = outputs.probs().numpy()
    peer = binning.IsotonicRegression()
    peer.fit(p, labels.numpy())
    np.testing.assert_allclose(calibrated("isotonic:floor=0", outputs, labels), peer.transform(p), atol=1e-6)


def test_histogram_equals_netcal() -> None:
    """Equal width, floor 0. netcal treats empty bins and probabilities on an edge differently; these samples have neither."""
    binning = pytest.importorskip("netcal.binning")
    rng = np.random.default_rng(0)
    p = softmax(rng.normal(size=(3000, 3)) * 2)
    labels = np.array([rng.choice(3, p=row) for row in p])
    peer = binning.HistogramBinning(bins=10)
    peer.fit(p, labels)
    outputs = Outputs(torch.from_numpy(p), from_probs=True)
    probs = calibrated("histogram:bins=10,floor=0,of=classes", outputs, torch.from_numpy(labels))
    np.testing.assert_allclose(probs, peer.transform(p), atol=1e-6)


def two_classes(seed: int, n: int = 400, power: float = 1.7) -> tuple[Outputs, torch.Tensor, np.ndarray, np.ndarray]:
    """Outputs and labels, and as arrays the probability of class 1 and its hits, which are drawn with `p ** power`."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.8, 0.8, size=n)
    hit = (rng.random(n) < p**power).astype(np.int64)
    return Outputs(torch.from_numpy(np.stack([1 - p, p], axis=1)), from_probs=True), torch.from_numpy(hit), p, hit


def test_beta_equals_betacal() -> None:
    """betacal's abm has almost no penalty, so pull has its least value. Its L-BFGS stops at about 1e-4."""
    outputs, labels, p, hit = two_classes(4)
    peer = betacal.BetaCalibration("abm").fit(p[:, None], hit)
    probs = calibrated("beta:pull=1e-6", outputs, labels)[:, 1]
    np.testing.assert_allclose(probs, peer.predict(p[:, None]), atol=2e-3)


@pytest.mark.parametrize(("seed", "power", "at_zero"), [(4, 1.7, None), (5, 1.7, None), (6, 0.01, 0), (6, 0.01, 1)])
def test_beta_equals_scikit_learns_logistic_regression(seed: int, power: float, at_zero: int | None) -> None:
    """On betacal's features scikit-learn's search reaches the optimum, so the two agree to 1e-6.

    `at_zero` is the coefficient that would be negative; it is 0, and scikit-learn's fit leaves its feature out.
    """
    _, _, p, hit = two_classes(seed, power=power)
    if at_zero == 1:  # the same for the other class: a and b change places
        p, hit = 1 - p, 1 - hit
    outputs = Outputs(torch.from_numpy(np.stack([1 - p, p], axis=1)), from_probs=True)
    features = np.stack([np.log(p), -np.log1p(-p)], axis=1)
    _, fitted = fit("beta:pull=1e-6", outputs, torch.from_numpy(hit))
    assert [key for key in "ab" if fitted["maps"][1][key] == 0] == ([] if at_zero is None else ["ab"[at_zero]])
    peer = regression_of_sklearn(features[:, [column for column in (0, 1) if column != at_zero]], hit)
    probs = calibrated("beta:pull=1e-6", outputs, torch.from_numpy(hit))[:, 1]
    np.testing.assert_allclose(probs, peer, atol=1e-6)


def test_ivap_equals_venn_abers() -> None:
    """For two classes, both are one-vs-rest of the same fit. Without a precision venn-abers does not round scores."""
    outputs, labels, p, hit = two_classes(5)
    rng = np.random.default_rng(6)
    at = np.concatenate([p, rng.random(200)])
    peer = venn_abers.VennAbers()
    peer.fit(np.stack([1 - p, p], axis=1), hit, precision=None)
    expected = peer.predict_proba(np.stack([1 - at, at], axis=1))[0][:, 1]
    others = Outputs(torch.from_numpy(np.stack([1 - at, at], axis=1)), from_probs=True)
    probs = calibrated("ivap:of=classes", outputs, labels, others)[:, 1]
    np.testing.assert_allclose(probs, expected, atol=3e-6)


def test_ivap_of_many_classes_does_not_raise_the_error_of_a_calibrated_network() -> None:
    """On real data, one-vs-one by venn-abers raises it from .070 to .093. Here the network is already calibrated."""
    outputs, labels = overconfident(2000, 10, 1, temperature=1.0)
    others, truth = overconfident(2000, 10, 2, temperature=1.0)
    for text, largest_rise in (("ivap", 0.015), ("ivap:of=classes", 0.03)):
        stage = calibrator(text)
        mapped = stage.apply(others, stage.fit(outputs, labels))
        rise = ECE(bins=15).value(Judged(mapped, truth)) - ECE(bins=15).value(Judged(others, truth))
        assert rise < largest_rise, text


@pytest.mark.parametrize("k", [2, 3, 10])
def test_temperature_equals_probmetrics(k: int) -> None:
    """probmetrics bisects the gradient."""
    from probmetrics.calibrators import temperature_scaling
    from probmetrics.distributions import CategoricalLogits

    outputs, labels = overconfident(400 * k, k, 1)
    peer = temperature_scaling.TemperatureScalingCalibrator(max_bisection_steps=60)
    peer.fit_torch(CategoricalLogits(outputs.logits()), labels)
    expected = peer.predict_proba_torch(CategoricalLogits(outputs.logits())).get_probs()
    np.testing.assert_allclose(calibrated("temperature", outputs, labels), expected.numpy(), atol=1e-6)
