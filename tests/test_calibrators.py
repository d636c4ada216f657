"""What no calibrator may do, whatever it computes: sound probabilities, answers kept where promised, mistakes refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from calibrator_cases import absent, drawn, fitted_to, method, nll, softmax, through
from hypothesis import given, settings
from hypothesis import strategies as st

from calibench import InputError, Outputs, RunError
from calibench.metrics.judged import Judged

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = (
    *("temperature", "vector", "matrix", "dirichlet", "platt", "beta", "isotonic", "histogram", "bbq", "spline", "ets"),
    *("platt-binner", "ivap"),
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
    ),
)
KEEPS_ANSWERS = (
    *("temperature", "spline", "ets", "histogram", "histogram:binning=mass", "bbq", "platt-binner", "ivap"),
    *("platt:of=top", "beta:of=top", "isotonic:of=top"),
)


def one_hot(n: int, k: int, seed: int) -> tuple[Outputs, torch.Tensor]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    said = np.where(rng.random(n) < 0.7, labels, rng.integers(k, size=n))
    said[:2] = [labels[0], (labels[1] + 1) % k]  # one right, one wrong
    return Outputs(torch.from_numpy(np.eye(k)[said]), from_probs=True), torch.from_numpy(labels)


def tied(n: int, k: int, seed: int) -> tuple[Outputs, torch.Tensor]:
    rng = np.random.default_rng(seed)
    table = np.array([0.5, 0.25, *[0.25 / (k - 2)] * (k - 2)]) if k > 2 else np.array([0.5, 0.5])
    p = np.stack([rng.permutation(table) for _ in range(n)])
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


def halves(n: int, k: int, seed: int) -> tuple[Outputs, torch.Tensor]:
    outputs, labels = drawn(n, k, seed)
    return Outputs(outputs.scores.half()), labels


SHAPES = {
    "two classes": lambda: drawn(200, 2),
    "twenty rows": lambda: drawn(20, 3),
    "twenty rows of a hundred classes": lambda: drawn(20, 100),
    "float16": lambda: halves(60, 4, 0),
    "one-hot": lambda: one_hot(60, 3, 0),
    "one-hot of two": lambda: one_hot(60, 2, 1),
    "ties": lambda: tied(60, 4, 0),
    "nothing but ties": lambda: tied(60, 2, 0),
    "underflow": lambda: underflowing(80, 3, 0),
    "absent class": lambda: absent(120, 4, 0),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("text", VARIANTS)
def test_probabilities_are_sound(text: str, shape: str) -> None:
    outputs, labels = SHAPES[shape]()
    stage, fitted = fitted_to(text, outputs, labels)
    for others in (outputs, Outputs(torch.eye(outputs.num_classes, dtype=torch.float64), from_probs=True)):
        mapped = method(text).apply(others, fitted)
        mapped.check(text)
        probs = mapped.probs()
        assert probs.shape == others.scores.shape
        assert probs.dtype == torch.float64
        assert (probs >= 0).all()
        assert (probs.sum(dim=1) - 1).abs().max() < 1e-12
        assert torch.equal(mapped.scores, stage.apply(others, fitted).scores)  # nothing is drawn, JSON is all it needs
    after = stage.apply(outputs, fitted)
    for key, judged in (("nll_before", outputs), ("nll_after", after)):
        if text == "temperature" and key == "nll_before" and outputs.from_probs:
            continue  # its clip is that of the logits, 1e-30
        assert fitted[key] == pytest.approx(float(Judged(judged, labels).nll.mean()), rel=1e-9, abs=1e-12)
    again = method(text).fit(outputs, labels)
    assert json.loads(json.dumps(again)) == fitted


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(20, 80), k=st.integers(2, 6), heat=st.floats(0.5, 3))
@pytest.mark.parametrize("text", KEEPS_ANSWERS)
def test_no_answer_changes(text: str, seed: int, n: int, k: int, heat: float) -> None:
    outputs, labels = drawn(n, k, seed, heat)
    try:
        found = through(text, outputs, labels)
    except RunError:  # temperature and ets refuse samples that say nothing, or that are all right: tested below
        assert text in {"temperature", "ets"}
        return
    assert (found.argmax(axis=1) == outputs.scores.argmax(dim=1).numpy()).all()


@pytest.mark.parametrize("text", [t for t in KEEPS_ANSWERS if t not in {"temperature", "ets"}])
def test_no_answer_changes_where_the_network_is_always_wrong(text: str) -> None:
    outputs, _ = drawn(100, 4)
    found = through(text, outputs, outputs.scores.argmin(dim=1))
    assert (found.argmax(axis=1) == outputs.scores.argmax(dim=1).numpy()).all()
    assert found.max() < 0.51  # as little as an answer may be, up to the second's share


@pytest.mark.parametrize("text", VARIANTS)
def test_the_order_of_samples_does_not_matter(text: str) -> None:
    if text.startswith("platt-binner") and "split=false" not in text:
        pytest.skip("its halves are every second sample")
    if text in {"vector", "matrix", "dirichlet"}:
        text = f"{text}:{'l2' if text == 'vector' else 'lam'}=0.01"  # picked on folds otherwise
    outputs, labels = tied(90, 3, 5)
    turn = torch.randperm(90, generator=torch.Generator().manual_seed(0))
    same = through(text, Outputs(outputs.scores[turn], from_probs=True), labels[turn], outputs)
    np.testing.assert_allclose(same, through(text, outputs, labels), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("text", [t for t in VARIANTS if t not in {"vector", "matrix"}])
def test_a_constant_added_to_a_row_changes_nothing(text: str) -> None:
    """Vector and matrix scaling are defined on the logits as they are, so there it does."""
    outputs, labels = drawn(90, 3, 1)
    moved = Outputs(outputs.scores + torch.linspace(-9, 9, 90, dtype=torch.float64)[:, None])
    np.testing.assert_allclose(through(text, moved, labels), through(text, outputs, labels), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "text", [*NAMES, "platt:of=top", "beta:of=top", "isotonic:of=top", "histogram:of=classes", "ivap:of=classes"]
)
def test_fresh_samples_of_an_overconfident_network_gain(text: str) -> None:
    outputs, labels = drawn(1500, 3, 2, heat=3.0)
    others, truth = drawn(1500, 3, 3, heat=3.0)
    before, after = (
        nll(others.probs().numpy(), truth.numpy()),
        nll(through(text, outputs, labels, others), truth.numpy()),
    )
    ideal = nll(softmax(others.scores.numpy() / 3), truth.numpy())
    assert ideal - 0.002 < after < before
    assert after - ideal < 0.35 * (before - ideal)


@pytest.mark.parametrize(
    "text", ["vector", "matrix", "dirichlet", "platt", "beta", "isotonic", "spline", "bbq", "ivap"]
)
def test_separable_samples_give_finite_maps(text: str) -> None:
    outputs, _ = drawn(60, 3)
    labels = outputs.scores.argmax(dim=1)
    _, fitted = fitted_to(text, outputs, labels)
    assert fitted["nll_after"] < 0.7
    learned = {key: value for key, value in fitted.items() if key not in {"lam", "mu", "l2"}}
    assert max(abs(v) for v in _numbers(learned)) < 1e3


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [x for v in value.values() for x in _numbers(v)]
    if isinstance(value, list):
        return [x for v in value for x in _numbers(v)]
    return [float(value)]


def test_ets_refuses_separable_samples_as_temperature_does() -> None:
    outputs, _ = drawn(60, 3)
    with pytest.raises(RunError, match="still falls at T = 1/50"):
        method("ets").fit(outputs, outputs.scores.argmax(dim=1))


@pytest.mark.parametrize(
    ("text", "says"),
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
def test_bad_parameters_are_refused(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        method(text)


def test_one_sample_cannot_be_split() -> None:
    outputs, labels = drawn(1, 3)
    with pytest.raises(InputError, match="one sample cannot be split"):
        method("platt-binner").fit(outputs, labels)


# --- from the command line ------------------------------------------------------------------------------------------


@pytest.fixture
def two_files(tmp_path, samples):
    def write(n: int, classes: int) -> None:
        for name, seed in (("test.npz", 1), ("val.npz", 2)):
            logits, labels = samples(n, classes, seed)
            np.savez(tmp_path / name, logits=logits, labels=labels)

    return write


@pytest.mark.parametrize("text", [*NAMES, "temperature+isotonic", "vector+ivap", "platt-binner+temperature"])
def test_evaluate_fits_and_judges(text: str, cli, two_files) -> None:
    two_files(90, 3)
    ran = cli("evaluate", "test.npz", "--fit", text, "--fit-on", "val.npz", "--json")
    assert ran.code == 0, ran.err
    document = ran.document
    assert document["fit"]["recipe"] == text
    assert document["fit"]["nll_after"] < document["fit"]["nll_before"]
    assert document["after"]["metrics"]["nll"] < document["metrics"]["nll"]


@pytest.mark.parametrize(
    ("classes", "text"), [(2, "isotonic"), (100, "histogram+temperature"), (100, "ivap:of=classes")]
)
def test_evaluate_of_two_and_of_a_hundred_classes(text: str, classes: int, cli, two_files) -> None:
    two_files(20 if classes == 2 else 100, classes)
    ran = cli("evaluate", "test.npz", "--fit", text, "--fit-on", "val.npz", "--json")
    assert ran.code == 0, ran.err
    assert 0 < ran.document["after"]["metrics"]["nll"] < ran.document["metrics"]["nll"]


def test_evaluate_says_what_is_wrong(refused, two_files) -> None:
    two_files(60, 3)
    fit = ("evaluate", "test.npz", "--fit-on", "val.npz", "--fit")
    refused(*fit, "isotonic+isotonic", says="isotonic")
    refused(*fit, "spline:knots=1", says="knots=1 is outside [3, 100]", hint="knots of the natural cubic spline")
    refused("evaluate", "test.npz", "--fit", "dirichlet", says="needs samples to fit on", hint="--fit-on")
