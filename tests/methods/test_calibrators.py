"""Rules for every calibrator: its probabilities are valid, predictions stay where promised, and user mistakes are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from calibrator_cases import calibrated, calibrator, fit, nll, overconfident, softmax, without_last_class
from hypothesis import given, settings
from hypothesis import strategies as st

from calibench import InputError, Outputs, RunError
from calibench.metrics.judged import Judged

NAMES = (
    *("temperature", "vector", "matrix", "dirichlet", "platt", "beta", "isotonic", "histogram", "bbq", "spline", "ets"),
    *("platt-binner", "ivap", "quadratic", "cir", "irm", "kernel", "cdf-spline", "hist-quantile", "spline-calib"),
    *("adaptive-temperature", "svs", "sms"),
)
VARIANTS = (
    *NAMES,
    *("platt:of=top", "beta:of=top", "isotonic:of=top", "histogram:of=classes,binning=mass", "bbq:of=classes"),
    *(
        "platt-binner:of=classes",
        "platt-binner:split=false",
        "ivap:of=classes",
        "isotonic:floor=0",
        "histogram:floor=0",
        "platt:targets=labels",
        "platt:score=probability",
        "quadratic:of=top",
        "cir:of=top",
        "cir:floor=0",
        "irm:floor=0",
        "hist-quantile:floor=0",
        "spline-calib:of=top",
    ),
)
KEEPS_PREDICTIONS = (
    *("temperature", "spline", "ets", "histogram", "histogram:binning=mass", "bbq", "platt-binner", "ivap"),
    *("platt:of=top", "beta:of=top", "isotonic:of=top", "quadratic:of=top", "cir:of=top", "spline-calib:of=top"),
    *("irm", "irm:floor=0", "adaptive-temperature"),
)
REFUSES_LIKE_TEMPERATURE = {"temperature", "ets", "adaptive-temperature"}
"""These refuse samples without information, or with right predictions only."""


def one_hot(n: int, k: int, seed: int) -> tuple[Outputs, torch.Tensor]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    predicted = np.where(rng.random(n) < 0.7, labels, rng.integers(k, size=n))
    predicted[:2] = [labels[0], (labels[1] + 1) % k]  # one right, one wrong
    return Outputs(torch.from_numpy(np.eye(k)[predicted]), from_probs=True), torch.from_numpy(labels)


def tied(n: int, k: int, seed: int) -> tuple[Outputs, torch.Tensor]:
    rng = np.random.default_rng(seed)
    row = np.array([0.5, 0.25, *[0.25 / (k - 2)] * (k - 2)]) if k > 2 else np.array([0.5, 0.5])
    p = np.stack([rng.permutation(row) for _ in range(n)])
    labels = np.array([rng.choice(k, p=row) for row in p])
    return Outputs(torch.from_numpy(p), from_probs=True), torch.from_numpy(labels)


def underflowing(n: int, k: int, seed: int) -> tuple[Outputs, torch.Tensor]:
    """Most probabilities are 0 in float64."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, k)) * 20
    labels = np.array([rng.choice(k, p=row) for row in softmax(z)])
    outputs = Outputs(torch.from_numpy(z * 40))
    assert (outputs.probs() == 0).double().mean() > 0.3
    return outputs, torch.from_numpy(labels)


def float16(n: int, k: int, seed: int) -> tuple[Outputs, torch.Tensor]:
    outputs, labels = overconfident(n, k, seed)
    return Outputs(outputs.scores.half()), labels


SAMPLES = {
    "two classes": lambda: overconfident(200, 2),
    "twenty rows": lambda: overconfident(20, 3),
    "more classes than rows": lambda: overconfident(20, 50),
    "float16": lambda: float16(60, 4, 0),
    "one-hot": lambda: one_hot(60, 3, 0),
    "one-hot of two": lambda: one_hot(60, 2, 1),
    "ties": lambda: tied(60, 4, 0),
    "ties only": lambda: tied(60, 2, 0),
    "underflow": lambda: underflowing(80, 3, 0),
    "absent class": lambda: without_last_class(120, 4, 0),
}


def check_probabilities(probs: torch.Tensor, shape: torch.Size) -> None:
    assert probs.shape == shape
    assert probs.dtype == torch.float64
    assert (probs >= 0).all()
    assert (probs.sum(dim=1) - 1).abs().max() < 1e-12


def check_nll(fitted: dict[str, Any], before: Outputs, after: Outputs, labels: torch.Tensor) -> None:
    """The NLL in the fit equals the metric."""
    for key, outputs in (("nll_before", before), ("nll_after", after)):
        if "temperature" in fitted and "weights" not in fitted and key == "nll_before" and outputs.from_probs:
            continue  # temperature clips probabilities as logits are clipped, at 1e-30
        assert fitted[key] == pytest.approx(float(Judged(outputs, labels).nll.mean()), rel=1e-9, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("text", VARIANTS)
def test_probabilities_are_valid_and_json_holds_the_whole_fit(text: str, kind: str) -> None:
    outputs, labels = SAMPLES[kind]()
    stage, fitted = fit(text, outputs, labels)
    for others in (outputs, Outputs(torch.eye(outputs.num_classes, dtype=torch.float64), from_probs=True)):
        mapped = calibrator(text).apply(others, fitted).check(text)
        check_probabilities(mapped.probs(), others.scores.shape)
        assert torch.equal(mapped.scores, stage.apply(others, fitted).scores)  # nothing is drawn at random
    check_nll(fitted, outputs, stage.apply(outputs, fitted), labels)
    assert json.loads(json.dumps(calibrator(text).fit(outputs, labels))) == fitted


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(20, 80), k=st.integers(2, 6), temperature=st.floats(0.5, 3))
@pytest.mark.parametrize("text", KEEPS_PREDICTIONS)
def test_no_prediction_changes(text: str, seed: int, n: int, k: int, temperature: float) -> None:
    outputs, labels = overconfident(n, k, seed, temperature)
    try:
        probs = calibrated(text, outputs, labels)
    except RunError:
        assert text in REFUSES_LIKE_TEMPERATURE
        return
    assert (probs.argmax(axis=1) == outputs.scores.argmax(dim=1).numpy()).all()


@pytest.mark.parametrize("text", [t for t in KEEPS_PREDICTIONS if t not in REFUSES_LIKE_TEMPERATURE])
def test_no_prediction_changes_if_the_network_is_always_wrong(text: str) -> None:
    outputs, _ = overconfident(100, 4)
    probs = calibrated(text, outputs, outputs.scores.argmin(dim=1))
    assert (probs.argmax(axis=1) == outputs.scores.argmax(dim=1).numpy()).all()
    assert probs.max() < 0.51  # as small as the top can be: just above the second


@pytest.mark.parametrize("text", VARIANTS)
def test_the_order_of_samples_does_not_matter(text: str) -> None:
    if text.startswith("platt-binner") and "split=false" not in text:
        pytest.skip("its halves are every second sample")
    if text in {"vector", "matrix", "dirichlet"} or text.startswith("spline-calib"):
        key = "l2" if text == "vector" else "lam"  # cross-validation would depend on the order
        text = f"{text}{',' if ':' in text else ':'}{key}=0.01"
    outputs, labels = tied(90, 3, 5)
    order = torch.randperm(90, generator=torch.Generator().manual_seed(0))
    permuted = calibrated(text, Outputs(outputs.scores[order], from_probs=True), labels[order], outputs)
    rtol = 2e-4 if text in {"svs", "sms"} else 1e-6  # probmetrics searches in float32
    np.testing.assert_allclose(permuted, calibrated(text, outputs, labels), rtol=rtol, atol=1e-9)


@pytest.mark.parametrize("text", [t for t in VARIANTS if t not in {"vector", "matrix"}])
def test_a_constant_added_to_a_row_changes_nothing(text: str) -> None:
    """Vector and matrix scaling are excluded: they map the logits themselves."""
    outputs, labels = overconfident(90, 3, 1)
    shifted = Outputs(outputs.scores + torch.linspace(-9, 9, 90, dtype=torch.float64)[:, None])
    expected = calibrated(text, outputs, labels)
    np.testing.assert_allclose(calibrated(text, shifted, labels), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", [*NAMES, "platt:of=top", "beta:of=top", "isotonic:of=top", "histogram:of=classes", "ivap:of=classes"]
)
def test_new_samples_of_an_overconfident_network_improve(text: str) -> None:
    outputs, labels = overconfident(1500, 3, 2, temperature=3.0)
    others, truth = overconfident(1500, 3, 3, temperature=3.0)
    before = nll(others.probs().numpy(), truth.numpy())
    after = nll(calibrated(text, outputs, labels, others), truth.numpy())
    ideal = nll(softmax(others.scores.numpy() / 3), truth.numpy())
    assert ideal - 0.002 < after < before
    assert after - ideal < 0.35 * (before - ideal)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "vector",
            "matrix",
            "dirichlet",
            "platt",
            "beta",
            "isotonic",
            "spline",
            "bbq",
            "ivap",
            "quadratic",
            "cir",
            "irm",
        ),
        *("kernel", "cdf-spline", "hist-quantile", "spline-calib"),
    ],
)
def test_separable_samples_give_finite_maps(text: str) -> None:
    outputs, _ = overconfident(60, 3)
    _, fitted = fit(text, outputs, outputs.scores.argmax(dim=1))
    assert fitted["nll_after"] < 0.7
    parameters = {key: value for key, value in fitted.items() if key not in {"lam", "mu", "l2"}}
    assert max(abs(number) for number in _numbers(parameters)) < 1e3


def _numbers(value: Any) -> list[float]:
    """Every number in a JSON value."""
    if isinstance(value, dict):
        return [number for item in value.values() for number in _numbers(item)]
    if isinstance(value, list):
        return [number for item in value for number in _numbers(item)]
    return [float(value)]


def test_ets_refuses_separable_samples_as_temperature_does() -> None:
    outputs, _ = overconfident(60, 3)
    with pytest.raises(RunError, match="still falls at T = 1/50"):
        calibrator("ets").fit(outputs, outputs.scores.argmax(dim=1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vector:l2=0", "l2=0 is outside"),
        ("dirichlet:lam=0", "lam=0 is outside"),
        ("matrix:lambda=1", "has no parameter 'lambda'"),
        ("histogram:bins=0", "bins=0 is outside"),
        ("histogram:binning=equal", "not one of its choices"),
        ("isotonic:of=all", "not one of its choices"),
        ("isotonic:floor=0.5", "floor=0.5 is outside"),
        ("spline:knots=2", "knots=2 is outside"),
    ],
)
def test_bad_parameters_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        calibrator(text)


def test_one_sample_cannot_be_split() -> None:
    outputs, labels = overconfident(1, 3)
    with pytest.raises(InputError, match="one sample cannot be split"):
        calibrator("platt-binner").fit(outputs, labels)


# --- from the command line ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("text", [*NAMES, "temperature+isotonic", "vector+ivap", "platt-binner+temperature"])
def test_evaluate_fits_and_judges(text: str, cli: Callable[..., Any], two_files: Callable[..., None]) -> None:
    two_files(90)
    ran = cli("evaluate", "test.npz", "--fit", text, "--fit-on", "val.npz", "--json")
    assert ran.code == 0, ran.err
    document = ran.document
    assert document["fit"]["recipe"] == text
    assert document["fit"]["nll_after"] < document["fit"]["nll_before"]
    assert document["after"]["metrics"]["nll"] < document["metrics"]["nll"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("classes", "text"), [(2, "isotonic"), (100, "histogram+temperature"), (100, "ivap:of=classes")]
)
def test_evaluate_of_two_and_of_a_hundred_classes(
    text: str, classes: int, cli: Callable[..., Any], two_files: Callable[..., None]
) -> None:
    two_files(20 if classes == 2 else 100, classes)
    ran = cli("evaluate", "test.npz", "--fit", text, "--fit-on", "val.npz", "--json")
    assert ran.code == 0, ran.err
    assert 0 < ran.document["after"]["metrics"]["nll"] < ran.document["metrics"]["nll"]


def test_evaluate_names_the_mistake(refused: Callable[..., str], two_files: Callable[..., None]) -> None:
    two_files(60)
    fit_on_val = ("evaluate", "test.npz", "--fit-on", "val.npz", "--fit")
    refused(*fit_on_val, "isotonic+isotonic", says="isotonic")
    refused(*fit_on_val, "spline:knots=1", says="knots=1 is outside [3, 100]", hint="knots of the natural cubic spline")
    refused("evaluate", "test.npz", "--fit", "dirichlet", says="needs samples to fit on", hint="--fit-on")
