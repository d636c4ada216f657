"""Calibrators of CalArena against probmetrics and the authors' packages; each test states how the packages differ.

cir-model is not among the packages that the tests install; the tests that want it are skipped without it.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch
from calibrator_cases import calibrated, calibrator, fit, overconfident, softmax

from calibench import InputError, Outputs
from calibench_methods.calibrators import structured
from calibench_methods.calibrators.sms import SMS
from calibench_methods.calibrators.svs import SVS

probmetrics = pytest.importorskip("probmetrics.calibrators", reason='pip install "calibench[posthoc]"')


def calibrated_by(peer: Any, outputs: Outputs, labels: torch.Tensor, others: Outputs) -> np.ndarray:
    """Probabilities of `others` by a calibrator of probmetrics."""
    peer.fit(outputs.probs().numpy(), labels.numpy())
    probs: np.ndarray = peer.predict_proba(others.probs().numpy())
    return probs


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["svs", "sms"])
@pytest.mark.parametrize("k", [2, 3, 10])
def test_structured_scaling_applies_what_probmetrics_learned(name: str, k: int) -> None:
    """The map is written anew in float64; probmetrics rounds ln p to float32."""
    outputs, labels = overconfident(60 * k, k, 1)
    others, _ = overconfident(200, k, 2)
    peer = {"svs": probmetrics.SVSCalibrator, "sms": probmetrics.SMSCalibrator}[name]()
    expected = calibrated_by(peer, outputs, labels, others)
    np.testing.assert_allclose(calibrated(name, outputs, labels, others), expected, atol=2e-6)


@pytest.mark.parametrize("name", ["svs", "sms"])
@pytest.mark.parametrize(("k", "n"), [(3, 150), (6, 300)])
def test_structured_scaling_is_the_minimum_of_the_papers_loss(name: str, k: int, n: int) -> None:
    """The loss is written in float64 and minimised by SciPy; probmetrics searches in float32, so its map is a little short."""
    optimize = pytest.importorskip("scipy.optimize")
    outputs, labels = overconfident(n, k, 4)
    z, y = outputs.scores.numpy(), labels.numpy()
    log_p = np.log(softmax(z))
    inverse = optimize.minimize_scalar(lambda s: nll_of(s * log_p, y), bounds=(0.01, 10), method="bounded").x
    r = np.log((1 - 1 / (n + 1)) * softmax(inverse * log_p) + 1 / (n + 1) / k)

    def loss(x: np.ndarray) -> float:
        bias = x[-k:]
        if name == "svs":
            return nll_of(r * (1 + x[:k]) + bias, y) + k / n * (x**2).sum()
        delta = x[:-k].reshape(k, k)
        off = delta[~np.eye(k, dtype=bool)]
        penalty = k / n * ((np.diag(delta) ** 2).sum() + (bias**2).sum()) + k * (k - 1) / n * (off**2).sum()
        return nll_of(r + r @ delta.T + bias, y) + penalty

    best = optimize.minimize(loss, np.zeros(2 * k if name == "svs" else k * (k + 1)), options={"gtol": 1e-7})
    _, fitted = fit(name, outputs, labels)
    assert fitted["inverse_temperature"] == pytest.approx(inverse, rel=1e-4)
    if name == "svs":
        found = np.concatenate([np.array(fitted["scale"]) - 1, fitted["bias"]])
    else:
        found = np.concatenate([(np.array(fitted["weight"]) - np.eye(k)).ravel(), fitted["bias"]])
    assert best.fun - 1e-9 < loss(found) < best.fun + 2e-6
    np.testing.assert_allclose(found, best.x, atol=5e-3)


def nll_of(z: np.ndarray, y: np.ndarray) -> float:
    return float((np.logaddexp.reduce(z, axis=1) - z[np.arange(len(y)), y]).mean())


@pytest.mark.parametrize("missing", ["probmetrics", "numba", "torchmin"])
@pytest.mark.parametrize("method", [SVS, SMS])
def test_a_missing_package_gives_the_pip_line(method: Any, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(structured.importlib.util, "find_spec", lambda name: None if name == missing else found(name))
    with pytest.raises(InputError, match=f"'{method.__name__.lower()}' needs the package {missing}") as raised:
        method().check(3)
    assert raised.value.hint == 'pip install "calibench[posthoc]"'
    with pytest.raises(InputError):
        method().fit(*overconfident(20, 3))


def two_classes(n: int, seed: int) -> tuple[Outputs, torch.Tensor]:
    """Probabilities that a parabola of the log-odds calibrates."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.8, 0.8, size=n)
    f = np.log(p) - np.log1p(-p)
    hit = rng.random(n) < 1 / (1 + np.exp(0.4 - 0.6 * f - 0.05 * f**2))
    return Outputs(torch.from_numpy(np.stack([1 - p, p], axis=1)), from_probs=True), torch.from_numpy(hit.astype(int))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("text", "kind"), [("quadratic", "quadratic"), ("platt:targets=labels", "affine")])
def test_quadratic_and_platt_of_labels_equal_probmetrics_on_many_samples(text: str, kind: str) -> None:
    """The prior has the weight of one sample, so the maps agree to some 1 / n; scikit-learn's search ends early."""
    outputs, labels = two_classes(20_000, 1)
    others, _ = two_classes(500, 2)
    expected = calibrated_by(probmetrics.BinaryLogisticCalibrator(type=kind), outputs, labels, others)
    np.testing.assert_allclose(calibrated(text, outputs, labels, others), expected, atol=1e-3)


@pytest.mark.parametrize(("text", "powers"), [("quadratic", 2), ("platt:targets=labels", 1)])
def test_quadratic_and_platt_of_labels_are_the_logistic_regression_with_a_prior(text: str, powers: int) -> None:
    """scikit-learn's ridge of 1/2 |c|^2 on [1, f, f^2], moved to the identity by f as an offset: c is then the distance from it."""
    from scipy.optimize import minimize

    outputs, labels = two_classes(400, 3)
    p, hit = outputs.probs().numpy()[:, 1], labels.numpy()
    f = np.log(p) - np.log1p(-p)
    features = np.stack([f**power for power in range(powers + 1)], axis=1)

    def loss(distance: np.ndarray) -> float:
        x = f + features @ distance
        return float((np.logaddexp(0, x) - hit * x).sum() + 0.5 * (distance**2).sum())

    best = minimize(loss, np.zeros(powers + 1), options={"gtol": 1e-7}).x
    expected = 1 / (1 + np.exp(-(f + features @ best)))
    np.testing.assert_allclose(calibrated(text, outputs, labels)[:, 1], expected, atol=1e-6)


@pytest.mark.parametrize("text", ["quadratic", "platt:targets=labels", "beta"])
def test_scores_of_exactly_0_and_1_do_not_ruin_the_fit(text: str) -> None:
    """Half of the scores are 0 or 1 and right, as of a forest. With Platt's targets their log-odds of 69 flatten the map."""
    rng = np.random.default_rng(4)
    p = np.concatenate([rng.random(300), np.zeros(150), np.ones(150)])
    y = torch.from_numpy((rng.random(600) < p).astype(int))
    outputs = Outputs(torch.from_numpy(np.stack([1 - p, p], axis=1)), from_probs=True)
    inside = slice(0, 300)
    np.testing.assert_allclose(calibrated(text, outputs, y)[inside, 1], p[inside], atol=0.1)
    assert np.abs(calibrated("platt", outputs, y)[inside, 1] - p[inside]).max() > 0.2


def test_labels_as_targets_go_with_log_odds_alone() -> None:
    with pytest.raises(InputError, match="targets=labels holds the slope"):
        calibrator("platt:targets=labels,score=probability")


@pytest.mark.parametrize("k", [3, 5])
def test_kernel_equals_probmetrics(k: int) -> None:
    outputs, labels = overconfident(300, k, 5)
    others, _ = overconfident(100, k, 6)
    expected = calibrated_by(probmetrics.KernelCalibrator(), outputs, labels, others)
    np.testing.assert_allclose(calibrated("kernel", outputs, labels, others), expected, atol=1e-9)


def test_kernel_of_two_samples_is_their_weighted_vote() -> None:
    """The Dirichlet densities by SciPy's own distribution."""
    from scipy.stats import dirichlet

    held = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    outputs = Outputs(torch.from_numpy(held), from_probs=True)
    at = np.array([[0.5, 0.25, 0.25]])
    weights = [dirichlet(p / 0.3 + 1).pdf(at[0]) for p in held]
    mapped = calibrated("kernel:bandwidth=0.3", outputs, torch.tensor([0, 2]), Outputs(torch.from_numpy(at), True))
    np.testing.assert_allclose(mapped[0], np.array([weights[0], 0, weights[1]]) / sum(weights), rtol=1e-9)


def test_a_narrow_kernel_keeps_the_labels_and_a_wide_one_the_class_shares() -> None:
    outputs, labels = overconfident(40, 3, 7)
    hits = np.eye(3)[labels.numpy()]
    np.testing.assert_allclose(calibrated("kernel:bandwidth=1e-6", outputs, labels), hits, atol=1e-6)
    wide = calibrated("kernel:bandwidth=100", outputs, labels)
    np.testing.assert_allclose(wide, np.tile(hits.mean(axis=0), (40, 1)), atol=0.05)


@pytest.mark.parametrize("strategy", ["quantile", "uniform"])
@pytest.mark.parametrize("k", [2, 4])
def test_hist_quantile_and_histogram_equal_probmetrics(k: int, strategy: str) -> None:
    """`histogram` maps an empty bin to its centre, probmetrics to the share of hits; its bins are [lo, hi)."""
    outputs, labels = overconfident(800, k, 8)
    peer = probmetrics.BinaryHistogramBinningCalibrator(strategy=strategy)
    if k > 2:
        peer = probmetrics.MulticlassOneVsRestCalibrator(peer)
    expected = calibrated_by(peer, outputs, labels, outputs)
    text = "hist-quantile:floor=0" if strategy == "quantile" else "histogram:bins=10,of=classes,floor=0"
    # probmetrics rounds to float32, so that a sample on an edge can change its bin; with two classes it maps class 1 alone.
    same = np.abs(calibrated(text, outputs, labels) - expected).max(axis=1) < 1e-6
    assert same.mean() > (0.99 if k > 2 or strategy == "uniform" else 0.95)


def test_cdf_spline_equals_probmetrics() -> None:
    """probmetrics maps class 1 alone, does not clip to [1/(n+2), 1 - 1/(n+2)], and rounds to float32."""
    outputs, labels = two_classes(900, 9)
    others, _ = two_classes(300, 10)
    expected = calibrated_by(probmetrics.CDFSplineCalibrator(), outputs, labels, others)[:, 1]
    fitted = fit("cdf-spline", outputs, labels)[1]["maps"][1]
    one = np.interp(others.probs().numpy()[:, 1], fitted["score"], fitted["value"])
    np.testing.assert_allclose(one, np.clip(expected, 1 / 902, 1 - 1 / 902), atol=2e-6)
    np.testing.assert_allclose(calibrated("cdf-spline", outputs, labels, others)[:, 1], one, atol=5e-3)


@pytest.mark.parametrize("k", [2, 4])
def test_spline_equals_the_authors_recipe(k: int) -> None:
    """probmetrics' copy of their class, on the top label as in their recalibrate.py; in float32 some scores tie, in any order."""
    outputs, labels = overconfident(900, k, 11)
    p = outputs.probs().numpy()
    top, right = p.max(axis=1), (p.argmax(axis=1) == labels.numpy()).astype(int)
    peer = probmetrics.CDFSplineCalibrator().fit(np.stack([1 - top, top], axis=1), right)
    expected = np.clip(peer.predict_proba(np.stack([1 - top, top], axis=1))[:, 1], 1 / 902, 1 - 1 / 902)
    fitted = fit("spline", outputs, labels)[1]["maps"][0]
    np.testing.assert_allclose(np.interp(top, fitted["score"], fitted["value"]), expected, atol=1e-3)


@pytest.mark.parametrize("k", [2, 4])
def test_cir_equals_cir_model(k: int) -> None:
    model = pytest.importorskip("cir_model", reason="pip install cir-model")
    outputs, labels = overconfident(500, k, 12)
    p = outputs.probs().numpy()
    at = np.random.default_rng(0).random(300)
    for c in range(k):
        peer = model.CenteredIsotonicRegression(out_of_bounds="clip").fit(p[:, c], (labels.numpy() == c).astype(float))
        fitted = fit("cir:floor=0", outputs, labels)[1]["maps"][c]
        np.testing.assert_allclose(np.interp(at, fitted["p"], fitted["value"]), peer.transform(at), atol=1e-9)


def test_platt_of_probabilities_equals_scikit_learn() -> None:
    """`CalibratedClassifierCV(method="sigmoid")` maps the probability by Platt's targets; its L-BFGS stops at about 1e-5."""
    outputs, labels = two_classes(600, 13)
    peer = probmetrics.SklearnCalibrator(method="sigmoid")
    expected = calibrated_by(peer, outputs, labels, outputs)
    np.testing.assert_allclose(calibrated("platt:score=probability", outputs, labels), expected, atol=2e-4)
