"""Tuned thresholds of samples with several labels, and of sets: one threshold a label or class, against scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from decision_cases import fit
from sklearn.metrics import f1_score, matthews_corrcoef, precision_score, recall_score

from calibench import InputError, Outputs, evaluate
from calibench.config.resolve import resolve_chain
from calibench.outputs.several_labels import yes_no_outputs
from calibench.recipe.posthoc import PostHoc
from calibench_methods.decisions.sigmoid_threshold import SigmoidThreshold

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"
RULES = ("threshold", "sigmoid-threshold")
Q = 3


def samples(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits `[N, 3]` and labels of shares of about 40 %, 20 % and 6 %, whose scores are too low for the rare ones."""
    rng = np.random.default_rng(seed)
    x = 1.5 * rng.normal(size=(n, Q)) + np.array([-0.5, -2.0, -4.0])
    labels = (rng.random((n, Q)) < 1 / (1 + np.exp(-x))).astype(np.int64)
    labels[0], labels[1] = 1, 0
    return x + 0.7 * rng.normal(size=(n, Q)), labels


def chain(text: str) -> PostHoc:
    return PostHoc(resolve_chain(text, ("calibrator", "decision"), "--fit"), 2, Q)


@pytest.mark.parametrize("from_probs", [False, True], ids=["logits", "probs"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("metric", "peer"), [("f1", f1_score), ("mcc", matthews_corrcoef)])
def test_each_label_has_the_best_threshold_of_its_own(rule: str, metric: str, peer: object, from_probs: bool) -> None:
    x, y = samples(300, seed=0)
    p = 1 / (1 + np.exp(-x))
    outputs = yes_no_outputs(torch.tensor(p if from_probs else x), from_probs)
    post_hoc = chain(f"{rule}:metric={metric}")
    [fitted] = post_hoc.fit(outputs, torch.tensor(y.ravel()))
    decisions = post_hoc.decide(outputs)
    assert decisions is not None
    answers = decisions.answers.numpy().reshape(-1, Q)
    assert len(fitted["thresholds"]) == Q
    for q in range(Q):
        best = max(peer(y[:, q], p[:, q] >= t) for t in p[:, q])  # type: ignore[operator]
        assert peer(y[:, q], answers[:, q]) == pytest.approx(best, abs=1e-12)  # type: ignore[operator]
        np.testing.assert_array_equal(answers[:, q], p[:, q] >= fitted["thresholds"][q] * (1 - 1e-7))
    assert fitted["cal_after"]["f1"] == pytest.approx(f1_score(y, answers, average=None).tolist())
    assert fitted["cal_before"]["recall"] == pytest.approx(recall_score(y, p > 0.5, average=None).tolist())


@pytest.mark.parametrize("rule", RULES)
def test_a_target_precision_holds_for_each_label(rule: str) -> None:
    x, y = samples(3000, seed=1)
    post_hoc = chain(f"{rule}:target_precision=0.7,guarantee=none")
    outputs = yes_no_outputs(torch.tensor(x))
    post_hoc.fit(outputs, torch.tensor(y.ravel()))
    decisions = post_hoc.decide(outputs)
    assert decisions is not None
    answers = decisions.answers.numpy().reshape(-1, Q)
    assert all(precision_score(y[:, q], answers[:, q]) >= 0.7 for q in range(Q))
    assert answers.any(axis=0).all()


@pytest.mark.parametrize("rule", RULES)
def test_tuned_thresholds_raise_macro_f1_on_other_samples(rule: str) -> None:
    (x, y), (test, truth) = samples(2000, seed=2), samples(2000, seed=3)
    record = evaluate(
        logits=test, labels=truth, fit=f"{rule}:metric=f1", fit_logits=x, fit_labels=y, metrics="macro_f1", resamples=0
    )
    assert record.after is not None
    before, after = record.metrics["macro_f1"], record.after["metrics"]["macro_f1"]
    assert before is not None
    assert after > before + 0.05


def test_labels_have_no_positive_class_of_their_own() -> None:
    for option in ("positive=1", "classes=all"):
        with pytest.raises(InputError, match="each label is its own positive class"):
            chain(f"threshold:metric=f1,{option}")


@pytest.mark.parametrize(
    ("goal", "answer", "says"),
    [
        ("metric=f1", None, "stays 0.5"),
        ("target_precision=0.7", 0, "never answered"),
        ("target_recall=0.7", 1, "always answered"),
    ],
)
def test_a_label_that_no_sample_has_is_named(goal: str, answer: int | None, says: str) -> None:
    x, y = samples(300, seed=4)
    y[:, 2] = 0
    outputs, post_hoc = yes_no_outputs(torch.tensor(x)), chain(f"threshold:{goal}")
    [fitted] = post_hoc.fit(outputs, torch.tensor(y.ravel()))
    assert "label 2: no sample is positive" in fitted["note"]
    assert says in fitted["note"]
    decisions = post_hoc.decide(outputs)
    assert decisions is not None
    answers = decisions.answers.numpy().reshape(-1, Q)[:, 2]
    np.testing.assert_array_equal(answers, x[:, 2] >= 0 if answer is None else np.full(300, answer))


def test_sets_of_classes_have_tuned_thresholds_too() -> None:
    """One label a sample, one sigmoid a class: every class is in the set where its sigmoid reaches its own threshold."""
    rng = np.random.default_rng(5)
    y = rng.integers(3, size=300)
    x = rng.normal(size=(300, 3)) * 1.5 + 2 * np.eye(3)[y] - 2
    rule = SigmoidThreshold(metric="f1")
    rule.check(3)
    outputs = Outputs(torch.tensor(x), one_vs_rest=True)
    fitted = fit(rule, outputs, torch.tensor(y))
    decisions = rule.decide(outputs, fitted)
    assert decisions.sets is not None
    p = 1 / (1 + np.exp(-x))
    for k in range(3):
        best = max(f1_score(y == k, p[:, k] >= t) for t in p[:, k])
        assert f1_score(y == k, decisions.sets[:, k].numpy()) == pytest.approx(best, abs=1e-12)
    with pytest.raises(InputError, match="not both value and metric"):
        SigmoidThreshold(0.4, metric="f1")
    with pytest.raises(InputError, match="neither is set"):
        SigmoidThreshold(metric="f1", delta=0.1)


@pytest.mark.skipif(not CASES.is_dir(), reason=f"there is no {CASES}")
def test_the_shared_file_with_a_label_that_nobody_has_can_be_tuned() -> None:
    with np.load(CASES / "multilabel_ml_rare.npz") as file:
        p, y = file["probs"], file["labels"]
    record = evaluate(
        probs=p[300:],
        labels=y[300:],
        fit="threshold:metric=f1",
        fit_probs=p[:300],
        fit_labels=y[:300],
        metrics="macro_f1",
        resamples=0,
    )
    assert record.fit is not None
    assert record.fit["thresholds"][3] == 0.5
    assert "label 3: no sample is positive" in record.fit["note"]
