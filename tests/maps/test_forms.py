"""Every form of a map gives the probabilities that another process wrote: numpy, torch, scikit-learn, ONNX, a snippet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from map_cases import CALIBRATORS, make, map_file, scores

import calibench
from calibench.errors import InputError

pytestmark = pytest.mark.slow

ADAPTS = ("prior-correction", "prior-correction:method=em,source=uniform", "prior-correction:method=bbse")
NO_FORMULA = (*ADAPTS, "temperature+prior-correction")
SNIPPETS = (
    "dirichlet",
    "ets",
    "ets:loss=ce",
    "matrix",
    "prior-correction:prior=0.4;0.3;0.2;0.1",
    "temperature",
    "vector",
)
CASES = [(case, kind) for case in CALIBRATORS for kind in ("logits", "probs")]


@pytest.fixture
def case(request: pytest.FixtureRequest, folder: Path) -> tuple[calibench.CalibrationMap, np.ndarray, np.ndarray]:
    """The map, scores, and the probabilities that another process wrote for them."""
    name, kind = request.param
    path = map_file(folder, name, kind)
    with np.load(path.with_suffix(".npz")) as written:
        return calibench.load_map(path), scores(kind, make(500, 1)[0])[kind], written["probs"]


def parameters(cases: Any) -> Any:
    return pytest.mark.parametrize("case", cases, indirect=True, ids="-".join)


@parameters([case for case in CASES if case[0] not in NO_FORMULA])
def test_torch_and_scikit_learn_are_equal_to_1e_12_and_onnx_to_1e_6(case: Any) -> None:
    import onnxruntime
    import torch

    from calibench.maps.onnx_export import onnx_model

    fitted, given, want = case
    assert fitted.by_numpy is not None, "computed by torch"
    assert np.abs(fitted.probs(given) - want).max() <= 1e-12
    module = fitted.to_torch()
    assert np.abs(module(torch.tensor(given)).numpy() - want).max() <= 1e-12
    assert module(torch.tensor(given).float()).dtype == torch.float32
    estimator = fitted.to_sklearn()
    assert np.abs(estimator.predict_proba(given) - want).max() <= 1e-12
    assert np.array_equal(estimator.predict(given), want.argmax(axis=1))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        onnx_model(fitted).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    narrow = given.astype(np.float32)  # the logits as they are, probabilities rounded
    (probs,) = session.run(["probs"], {"scores": narrow})
    assert probs.dtype == np.float32
    assert np.abs(probs - fitted.probs(narrow.astype(np.float64))).max() <= 1e-6


@parameters([case for case in CASES if case[0] in NO_FORMULA])
def test_a_map_that_depends_on_the_rows_has_no_form_but_its_own(case: Any) -> None:
    fitted, given, want = case
    assert np.abs(fitted.probs(given) - want).max() <= 1e-12
    assert np.abs(fitted.to_sklearn().predict_proba(given) - want).max() <= 1e-12
    for form in (fitted.to_torch, lambda: fitted.to_onnx("never.onnx"), fitted.snippet):
        with pytest.raises(InputError, match="prior-correction"):
            form()
    assert not Path("never.onnx").exists()


@parameters([case for case in CASES if case[0] in SNIPPETS])
def test_the_snippet_needs_numpy_alone_and_is_equal_to_1e_12(case: Any) -> None:
    fitted, given, want = case
    text = fitted.snippet()
    assert "calibench" not in text.replace("fitted by calibench", "")
    assert text.count("\n") <= 14
    names: dict[str, Any] = {}
    exec(compile(text, "snippet", "exec"), names)
    assert np.abs(names["calibrate"](given) - want).max() <= 1e-12


@parameters([case for case in CASES if case[0].partition(":")[0] not in (*SNIPPETS, *NO_FORMULA)])
def test_other_maps_have_no_snippet(case: Any) -> None:
    with pytest.raises(InputError, match="has no snippet"):
        case[0].snippet()


def test_a_rule_is_in_no_graph_and_in_no_snippet(folder: Path) -> None:
    fitted = calibench.load_map(map_file(folder, "threshold:target_risk=0.2", "logits"))
    for form in (lambda: fitted.to_onnx("never.onnx"), fitted.snippet):
        with pytest.raises(InputError, match="decision rule"):
            form()


def test_the_rule_answers_in_torch_and_scikit_learn(folder: Path) -> None:
    import torch

    path = map_file(folder, "temperature+threshold:target_risk=0.2", "logits")
    fitted, logits = calibench.load_map(path), make(500, 1)[0]
    with np.load(path.with_suffix(".npz")) as written:
        want = written["decisions"]
    assert (want == -1).any()
    assert np.array_equal(fitted.to_torch().decide(torch.tensor(logits)).numpy(), want)
    with pytest.raises(InputError, match=rf"abstains on {(want == -1).sum()} of 500"):
        fitted.to_sklearn().predict(logits)
    words = fitted.to_sklearn(classes=["a", "b", "c", "d"], abstain="unsure").predict(logits)
    assert words.tolist() == [["a", "b", "c", "d", "unsure"][answer] for answer in want]


def test_a_module_moves_in_its_state_and_lets_gradients_through(folder: Path) -> None:
    import torch

    fitted = calibench.load_map(map_file(folder, "vector", "logits"))
    module, logits = fitted.to_torch(), torch.tensor(make(500, 1)[0])
    assert {tuple(value.shape) for value in module.state_dict().values()} == {(4,), ()}
    x = logits.clone().requires_grad_()
    module(x)[:, 0].sum().backward()
    step = torch.zeros_like(logits)
    step[:, 0] = 1e-6
    slope = (module(logits + step) - module(logits - step))[:, 0] / 2e-6
    assert x.grad is not None
    assert torch.allclose(x.grad[:, 0], slope, atol=1e-8)
    assert torch.allclose(module(logits.reshape(5, 100, 4)), module(logits).reshape(5, 100, 4))
    narrow = fitted.to_torch().float()
    assert torch.allclose(narrow(logits.float()).double(), module(logits), atol=1e-6)
    with pytest.raises(InputError, match=r"shape \[500, 3\]"):
        module(logits[:, :3])


def test_wrap_gives_the_map_of_the_networks_logits(folder: Path) -> None:
    import torch

    path = map_file(folder, "temperature", "logits")
    net = torch.nn.Linear(3, 4)
    wrapped, x = calibench.wrap(net, path), torch.randn(6, 3)
    want = calibench.load_map(path).probs(net(x))
    assert np.abs(wrapped(x).detach().numpy() - want).max() <= 1e-6
    assert np.array_equal(wrapped.decide(x).numpy(), want.argmax(axis=1))
    assert [name for name, _ in wrapped.named_parameters()] == ["net.weight", "net.bias"]
    wrapped.train()
    assert net.training

    class Output(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            return type("Output", (), {"logits": net(x)})()

    assert torch.equal(calibench.wrap(Output(), path)(x), wrapped(x))
    with pytest.raises(InputError, match="fitted on probabilities"):
        calibench.wrap(net, map_file(folder, "temperature", "probs"))
    with pytest.raises(InputError, match="neither a tensor"):
        calibench.wrap(torch.nn.LSTM(3, 4), path)(torch.randn(2, 5, 3))


def test_a_classifier_in_front_in_a_pipeline(folder: Path) -> None:
    import joblib
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat(["no", "maybe", "yes"], 200))
    x = rng.normal(size=(600, 3)) + (np.array(["no", "maybe", "yes"]) == y[:, None])
    scaler = StandardScaler().fit(x)
    classifier = LogisticRegression().fit(scaler.transform(x[:300]), y[:300])
    scores_of = classifier.decision_function(scaler.transform(x[300:]))
    names = list(classifier.classes_)
    assert names == ["maybe", "no", "yes"]
    index = np.array([names.index(label) for label in y[300:]])
    # The map has the classes in another order than the classifier.
    order = [2, 0, 1]
    place = {old: new for new, old in enumerate(order)}
    fitted = calibench.fit_map(
        scores_of[:, order], [place[k] for k in index], method="vector", class_names=[names[k] for k in order]
    )
    pipeline = make_pipeline(scaler, fitted.to_sklearn(before=classifier))
    want = fitted.probs(scores_of[:, order])[:, np.argsort(order)]
    assert np.abs(pipeline.predict_proba(x[300:]) - want).max() <= 1e-12
    assert pipeline.classes_.tolist() == names
    assert pipeline.predict(x[300:]).tolist() == [names[k] for k in want.argmax(axis=1)]
    assert clone(pipeline[-1]).calibration_map.recipe == "vector"
    joblib.dump(fitted, folder / "map.joblib")
    assert np.array_equal(joblib.load(folder / "map.joblib").probs(scores_of), fitted.probs(scores_of))
    with pytest.raises(InputError, match="leave out classes"):
        fitted.to_sklearn(classes=names, before=classifier)
    with pytest.raises(InputError, match="2 classes for a map of 3"):
        fitted.to_sklearn(classes=["a", "b"]).predict(scores_of)


def test_classes_without_samples_keep_their_probability_in_every_form() -> None:
    import onnxruntime
    import torch

    from calibench.maps.onnx_export import onnx_model

    logits, labels = make(700, 0)
    rows = labels != 3
    fitted = calibench.fit_map(logits[rows], labels[rows], method="vector:l2=1e-6")
    assert fitted.document.stages[0]["fitted"]["classes_kept"] == [3]
    test, truth = make(500, 1)
    record = calibench.evaluate(
        test, truth, fit="vector:l2=1e-6", fit_logits=logits[rows], fit_labels=labels[rows], resamples=0
    )
    assert record.judged_after is not None
    want = np.asarray(record.judged_after.probs)
    assert np.abs(fitted.probs(test) - want).max() <= 1e-12
    assert np.abs(fitted.to_torch()(torch.tensor(test)).numpy() - want).max() <= 1e-12
    session = onnxruntime.InferenceSession(onnx_model(fitted).SerializeToString(), providers=["CPUExecutionProvider"])
    assert np.abs(session.run(None, {"scores": test.astype(np.float32)})[0] - want).max() <= 1e-6
    with pytest.raises(InputError, match="has no snippet"):
        fitted.snippet()


def test_several_labels_in_every_form() -> None:
    import onnxruntime
    import torch

    from calibench.maps.onnx_export import onnx_model

    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 3))
    y = (rng.random(z.shape) < 1 / (1 + np.exp(-z))).astype(int)
    z = (3 * z).astype(np.float32).astype(np.float64)
    fitted = calibench.fit_map(z[:200], y[:200], method="temperature+threshold:value=0.6")
    record = calibench.evaluate(
        z[200:], y[200:], fit="temperature+threshold:value=0.6", fit_logits=z[:200], fit_labels=y[:200], resamples=0
    )
    assert record.judged_after is not None
    want = np.asarray(record.judged_after.probs)[:, 1].reshape(-1, 3)
    assert np.abs(fitted.probs(z[200:]) - want).max() <= 1e-12
    assert np.array_equal(fitted.decide(z[200:]).answers.ravel(), record.judged_after.decisions)
    alone = calibench.fit_map(z[:200], y[:200], method="temperature")
    assert np.abs(alone.to_torch()(torch.tensor(z[200:])).numpy() - alone.probs(z[200:])).max() <= 1e-12
    session = onnxruntime.InferenceSession(onnx_model(alone).SerializeToString(), providers=["CPUExecutionProvider"])
    assert np.abs(session.run(None, {"scores": z[200:].astype(np.float32)})[0] - alone.probs(z[200:])).max() <= 1e-6
