"""Thresholds that are tuned to a metric or to a target of precision or recall, against scikit-learn and loops."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from decision_cases import fit, logits_and_labels, post_hoc
from scipy import stats
from sklearn.metrics import (
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    fbeta_score,
    matthews_corrcoef,
    precision_score,
    recall_score,
)

from calibench import InputError, Outputs, RunError, evaluate
from calibench_methods.decisions.threshold import Threshold

CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"


def youden(y: Any, answers: Any) -> float:
    """TPR - FPR of the positive class, or the mean over the classes."""
    classes = [1] if max(y) == 1 else range(max(y) + 1)
    rates = [(np.mean(answers[y == k] == k) - np.mean(answers[y != k] == k)) for k in classes]
    return float(np.mean(rates))


def macro(score: Callable[..., Any], **options: Any) -> Callable[..., float]:
    return lambda y, answers: float(
        score(y, answers, average="binary" if max(y) == 1 else "macro", zero_division=0, **options)
    )


PEERS: dict[str, Callable[..., float]] = {
    "f1": macro(f1_score),
    "fbeta,beta=2": macro(fbeta_score, beta=2),
    "fbeta,beta=0.5": macro(fbeta_score, beta=0.5),
    "balanced-accuracy": balanced_accuracy_score,
    "mcc": matthews_corrcoef,
    "youden": youden,
}


def tuned(text: str, k: int) -> Any:
    chain = post_hoc(f"threshold:{text}", k)
    assert chain.rule is not None
    return chain.rule[1]


def answers_of(rule: Any, outputs: Outputs, labels: torch.Tensor) -> tuple[dict[str, Any], np.ndarray]:
    fitted = fit(rule, outputs, labels)
    return fitted, rule.decide(outputs, fitted).answers.numpy()


def rare_positives(n: int, seed: int) -> tuple[torch.Tensor, np.ndarray]:
    """Two classes, about 13 % positives, scores that leave most of them below one half."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    p = 1 / (1 + np.exp(-(1.6 * x - 2.7)))
    labels = (rng.random(n) < p).astype(np.int64)
    logit = np.log(p / (1 - p)) + 0.5 * rng.normal(size=n)
    return torch.tensor(np.stack([np.zeros(n), logit], axis=1)), labels


# --- two classes: the fitted threshold acts --------------------------------------------------------------------------


@pytest.mark.parametrize("from_probs", [False, True], ids=["logits", "probs"])
@pytest.mark.parametrize("metric", PEERS)
def test_two_classes_answer_positive_where_p_reaches_the_best_threshold(metric: str, from_probs: bool) -> None:
    logits, y = rare_positives(400, seed=1)
    p = logits.softmax(1)[:, 1].numpy().round(2)
    probs = torch.tensor(np.stack([1 - p, p], axis=1))
    outputs = Outputs(probs if from_probs else probs.clamp_min(1e-30).log(), from_probs)
    fitted, answers = answers_of(tuned(f"metric={metric}", 2), outputs, torch.tensor(y))
    peer = PEERS[metric]
    by_threshold = {t: peer(y, (p >= t).astype(int)) for t in np.unique(p)}
    assert peer(y, answers) == pytest.approx(max(by_threshold.values()), abs=1e-12)
    best = max(t for t, value in by_threshold.items() if value >= max(by_threshold.values()) - 1e-12)
    assert fitted["thresholds"] == [pytest.approx(best, rel=1e-6)]
    np.testing.assert_array_equal(answers, (p >= best).astype(int))  # no abstention
    assert fitted["cal_after"]["f1"] == pytest.approx(f1_score(y, answers, average=None).tolist())
    assert fitted["cal_before"]["precision"] == pytest.approx(precision_score(y, p > 0.5, average=None).tolist())
    assert fitted["cal_after"]["recall"] == pytest.approx(recall_score(y, answers, average=None).tolist())
    assert fitted["cal_changed"] == pytest.approx(np.mean(answers != (p > 0.5)))


def test_tuning_raises_the_f1_of_a_rare_class_on_other_samples() -> None:
    """The kind of fault: the most probable class answered although the other one had reached its own threshold."""
    (cal, y), (test, truth) = rare_positives(3000, seed=2), rare_positives(3000, seed=3)
    record = evaluate(
        logits=test.numpy(),
        labels=truth,
        fit="threshold:metric=f1",
        fit_logits=cal.numpy(),
        fit_labels=y,
        metrics="default,f1,precision,recall",
        resamples=0,
    )
    assert record.after is not None
    assert record.judged_after is not None
    before, after = (d["f1"]["per_class_f1"][1] for d in (record.details, record.after["details"]))
    assert after > before + 0.05
    assert record.after["details"]["f1"]["per_class_f1_without_rule"][1] == before
    assert record.after["metrics"]["coverage"] == 1
    [threshold] = (record.fit or {})["thresholds"]
    p = test.softmax(1)[:, 1].numpy()
    np.testing.assert_array_equal(record.judged_after.decisions, (p >= threshold * (1 - 1e-7)).astype(int))


@pytest.mark.skipif(not CASES.is_dir(), reason=f"there is no {CASES}")
def test_the_shared_case_of_thresholds() -> None:
    files = [np.load(CASES / f"thresholds_{part}.npz") for part in ("val", "test")]
    (cal, y), (test, truth) = ((file["probs"], file["labels"]) for file in files)
    record = evaluate(
        probs=test, labels=truth, fit="threshold:metric=f1", fit_probs=cal, fit_labels=y, metrics="f1", resamples=0
    )
    assert record.after is not None
    assert (record.fit or {})["thresholds"] == [pytest.approx(0.304, abs=5e-4)]
    assert record.details["f1"]["per_class_f1"][1] == pytest.approx(0.471, abs=5e-4)
    assert record.after["details"]["f1"]["per_class_f1"][1] == pytest.approx(0.543, abs=5e-4)


def test_all_of_two_classes_is_the_mean_over_both() -> None:
    logits, y = rare_positives(300, seed=4)
    p = logits.softmax(1)[:, 1].numpy()
    _, answers = answers_of(tuned("metric=f1,classes=all", 2), Outputs(logits), torch.tensor(y))
    both = [f1_score(y, p >= t, average="macro") for t in np.unique(p)]
    assert f1_score(y, answers, average="macro") == pytest.approx(max(both), abs=1e-12)


def test_the_other_class_may_be_the_positive_one() -> None:
    logits, y = rare_positives(300, seed=5)
    flipped, _ = answers_of(tuned("metric=f1,positive=0", 2), Outputs(logits.flip(1)), torch.tensor(1 - y))
    plain, _ = answers_of(tuned("metric=f1", 2), Outputs(logits), torch.tensor(y))
    assert flipped["thresholds"] == plain["thresholds"]
    assert (flipped["positive"], plain["positive"]) == (0, 1)


# --- more classes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", PEERS)
def test_ratios_are_at_an_optimum_of_scikit_learns_metric(metric: str) -> None:
    """No change of one threshold improves the metric; it is that of the answers argmax p / t, and above that of argmax p."""
    rng = np.random.default_rng(7)
    y = rng.choice(4, size=250, p=[0.6, 0.25, 0.1, 0.05])
    logits = rng.normal(size=(250, 4)) + 1.2 * np.eye(4)[y] + np.log([0.6, 0.25, 0.1, 0.05])
    p = torch.tensor(logits).softmax(1).numpy()
    fitted, answers = answers_of(tuned(f"metric={metric}", 4), Outputs(torch.tensor(logits)), torch.tensor(y))
    t, peer = np.array(fitted["thresholds"]), PEERS[metric]
    assert t.sum() == pytest.approx(1)
    np.testing.assert_array_equal(answers, (p / t).argmax(axis=1))
    value = peer(y, answers)
    assert fitted["cal_metric"] == {
        "before": pytest.approx(peer(y, p.argmax(axis=1)), abs=1e-12),
        "after": pytest.approx(value, abs=1e-12),
    }
    assert value > fitted["cal_metric"]["before"] + 0.01
    for k in range(4):
        others = np.delete(p / t, k, axis=1).max(axis=1)
        for limit in np.unique(p[:, k] / others):
            changed = t.copy()
            changed[k] = limit * (1 - 1e-9)
            assert peer(y, (p / changed).argmax(axis=1)) <= value + 1e-9
    assert fitted["cal_after"]["recall"] == pytest.approx(recall_score(y, answers, average=None).tolist())


def test_balanced_accuracy_of_true_posteriors_weighs_by_the_class_shares() -> None:
    """The best rule is argmax p_k / pi_k, so the fitted ratios must be near the shares."""
    rng = np.random.default_rng(0)
    shares = np.array([0.7, 0.2, 0.1])
    y = rng.choice(3, size=40_000, p=shares)
    x = rng.normal(size=(40_000, 3)) + 1.5 * np.eye(3)[y]
    logits = torch.tensor(1.5 * x + np.log(shares))
    fitted, answers = answers_of(tuned("metric=balanced-accuracy", 3), Outputs(logits), torch.tensor(y))
    assert fitted["thresholds"] == pytest.approx(shares, rel=0.3)
    best = balanced_accuracy_score(y, (logits.softmax(1).numpy() / shares).argmax(axis=1))
    assert balanced_accuracy_score(y, answers) == pytest.approx(best, abs=0.003)


def test_one_positive_class_among_several() -> None:
    logits, labels = logits_and_labels(500, 4, seed=6)
    p, y = logits.softmax(1).numpy(), labels.numpy()
    _, answers = answers_of(tuned("metric=f1,positive=2", 4), Outputs(logits), labels)
    best = max(f1_score(y == 2, p[:, 2] >= t) for t in np.unique(p[:, 2]))
    assert f1_score(y == 2, answers == 2) == pytest.approx(best, abs=1e-12)
    rest = np.delete(p, 2, axis=1).argmax(axis=1)
    np.testing.assert_array_equal(answers[answers != 2], np.array([0, 1, 3])[rest][answers != 2])


def test_a_thousand_samples_of_200_classes_take_a_moment() -> None:
    logits, labels = logits_and_labels(2000, 200, seed=8)
    fitted, _ = answers_of(tuned("metric=f1", 200), Outputs(logits), labels)
    assert fitted["cal_metric"]["after"] > fitted["cal_metric"]["before"]


# --- targets ---------------------------------------------------------------------------------------------------------


def test_a_target_precision_without_a_guarantee_answers_most_and_a_recall_fewest() -> None:
    logits, y = rare_positives(800, seed=9)
    p, labels = logits.softmax(1)[:, 1].numpy(), torch.tensor(y)
    _, answers = answers_of(tuned("target_precision=0.6,guarantee=none", 2), Outputs(logits), labels)
    assert precision_score(y, answers) >= 0.6
    assert answers.sum() == max((p >= t).sum() for t in p if precision_score(y, p >= t) >= 0.6)
    _, answers = answers_of(tuned("target_recall=0.8,guarantee=none", 2), Outputs(logits), labels)
    assert recall_score(y, answers) >= 0.8
    assert answers.sum() == min((p >= t).sum() for t in p if recall_score(y, p >= t) >= 0.8)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["target_precision=0.5", "target_recall=0.8"])
def test_guaranteed_targets_fail_in_at_most_delta_of_the_draws(target: str) -> None:
    """300 draws of 800 samples; the population is 200 000 samples."""
    logits, truth = rare_positives(200_000, seed=10)
    failures = {"": 0, ",guarantee=none": 0}
    for guarantee in failures:
        rule = tuned(f"{target},delta=0.1{guarantee}" if not guarantee else target + guarantee, 2)
        for seed in range(300):
            cal, y = rare_positives(800, seed=1000 + seed)
            fitted = rule.fit(Outputs(cal), torch.tensor(y))
            answers = rule.decide(Outputs(logits), fitted).answers.numpy() == 1
            hits = (answers & (truth == 1)).sum()
            reached = hits >= 0.5 * answers.sum() if "precision" in target else hits >= 0.8 * truth.sum()
            failures[guarantee] += not reached
    assert failures[""] <= stats.binom.ppf(0.999, 300, 0.1)
    assert failures[",guarantee=none"] > stats.binom.ppf(0.999, 300, 0.1)


def test_a_target_that_no_threshold_reaches_is_said() -> None:
    logits, y = rare_positives(100, seed=11)
    fitted, answers = answers_of(tuned("target_precision=0.99", 2), Outputs(logits), torch.tensor(y))
    assert (answers == 0).all()
    assert "positive is never answered" in fitted["note"]
    assert fitted["thresholds"] == [None]
    fitted, answers = answers_of(tuned("target_recall=0.99", 2), Outputs(logits), torch.tensor(y))
    assert (answers == 1).all()
    assert "positive is always answered" in fitted["note"]


# --- names, notes, refusals ------------------------------------------------------------------------------------------


def test_the_positive_class_is_found_by_its_name() -> None:
    rule = Threshold(metric="f1", positive="cat")
    rule.class_names = ("ant", "cat", "dog")
    rule.check(3)
    logits, labels = logits_and_labels(200, 3, seed=5)
    assert fit(rule, Outputs(logits), labels)["positive"] == 1
    rule.class_names = ("ant", "bat", "dog")
    with pytest.raises(InputError, match="no class is called 'cat'"):
        rule.check(3)
    rule.class_names = ()
    with pytest.raises(InputError, match="the classes have no names"):
        rule.check(3)


def test_a_rule_that_changes_no_answer_says_so() -> None:
    y = np.array([0, 1] * 20)
    logits = torch.tensor(8.0 * np.eye(2)[y])
    fitted, answers = answers_of(tuned("metric=f1", 2), Outputs(logits), torch.tensor(y))
    np.testing.assert_array_equal(answers, y)
    assert fitted["cal_changed"] == 0
    assert "change no answer" in fitted["note"]
    record = evaluate(logits=logits.numpy(), labels=y, fit="threshold:values=0.5;0.5", resamples=0)
    assert record.after is not None
    assert any("changes no answer" in text for text in record.after["warnings"])
    tighter = evaluate(logits=logits.numpy(), labels=y, fit="threshold:value=0.9999", resamples=0)
    assert tighter.after is not None
    assert not any("changes no answer" in text for text in tighter.after["warnings"])


def test_tuning_needs_samples_of_every_class() -> None:
    logits, labels = logits_and_labels(200, 3, seed=5)
    wider = Outputs(torch.cat([logits, logits[:, :1]], dim=1))
    with pytest.raises(InputError, match="no sample of class 3"):
        Threshold(metric="f1").fit(wider, labels)
    with pytest.raises(InputError, match="the positive class has no positive sample"):
        Threshold(metric="f1", positive="3").fit(wider, labels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("metric=fbeta", "needs beta"),
        ("metric=f1,beta=2", "beta is for metric=fbeta alone"),
        ("metric=fbeta,beta=0", "not above 0"),
        ("positive=1", "positive applies to metric"),
        ("classes=all", "classes applies to metric"),
        ("metric=f1,classes=all,positive=1", "has no positive class"),
        ("target_precision=0.9,positive=1,classes=positive", "classes is for metric"),
        ("metric=f1,classes=positive", "none is named as the positive one"),
        ("target_recall=0.9", "none is named as the positive one"),
        ("target_recall=0.9,positive=1,guarantee=sgr", "sgr bounds the risk"),
        ("target_precision=1,positive=1", "target_precision=1 is not between 0 and 1"),
        ("target_precision=0.9,target_recall=0.9,positive=1", "not both target_precision and target_recall"),
        ("target_precision=0.9,metric=f1", "not both metric and target_precision"),
        ("target_precision=0.9,positive=1,delta=1", "delta=1 is not between 0 and 1"),
        ("target_precision=0.9,positive=1,guarantee=none,delta=0.1", "delta does nothing"),
        ("metric=f1,positive=7", "not a class"),
        ("metric=f1,positive=cat", "not a class"),
    ],
)
def test_contradictory_and_idle_parameters_of_tuning_are_refused(options: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        post_hoc(f"threshold:{options}", 3)
    assert error.value.hint


def test_counts_agree_with_a_confusion_matrix() -> None:
    """R_K by its definition from the confusion matrix, in case scikit-learn's differs."""
    rng = np.random.default_rng(3)
    y = rng.choice(3, size=90, p=[0.5, 0.3, 0.2])
    logits = torch.tensor(rng.normal(size=(90, 3)) + np.eye(3)[y])
    fitted, answers = answers_of(tuned("metric=mcc", 3), Outputs(logits), torch.tensor(y))
    c = confusion_matrix(y, answers).astype(float)
    said, of = c.sum(axis=0), c.sum(axis=1)
    top = np.trace(c) * c.sum() - said @ of
    bottom = math.sqrt((c.sum() ** 2 - said @ said) * (c.sum() ** 2 - of @ of))
    assert fitted["cal_metric"]["after"] == pytest.approx(top / bottom, abs=1e-12)


@pytest.mark.parametrize("metric", ["f1", "mcc"])
def test_logits_for_which_a_threshold_would_be_0_are_refused(metric: str) -> None:
    rng = np.random.default_rng(0)
    logits, labels = torch.from_numpy(1e4 * rng.normal(size=(300, 3))), torch.from_numpy(rng.integers(0, 3, 300))
    with pytest.raises(RunError, match=r"class . needs one below 2e-308") as error:
        Threshold(metric=metric).fit(Outputs(logits), labels)
    assert "temperature+threshold" in error.value.hint
