"""The verdict: right as often as it claims on simulated models, and it names what a user can check."""

from __future__ import annotations

import numpy as np
import pytest
from calibrated import draw, judge_verdict
from scipy.stats import binom


@pytest.mark.slow
@pytest.mark.parametrize(("n", "classes"), [(200, 2), (300, 10), (400, 100)])
def test_calibrated_models_are_rarely_called_miscalibrated(n: int, classes: int) -> None:
    rng = np.random.default_rng(classes)
    runs = 60
    wrong = sum(
        judge_verdict(*draw(rng, n, classes), draws=200, seed=run).calibrated == "miscalibrated" for run in range(runs)
    )
    assert wrong <= binom.ppf(0.999, runs, 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"sharpen": 1.3}, {"over_predict": 3.2}], ids=["over-confident", "one class"])
def test_miscalibration_of_2000_samples_is_found(change: dict[str, float]) -> None:
    rng = np.random.default_rng(1)
    verdicts = [judge_verdict(*draw(rng, 2000, 10, **change), draws=200, seed=run) for run in range(20)]
    assert sum(verdict.calibrated == "miscalibrated" for verdict in verdicts) >= 18


def test_an_over_predicted_class_is_named_with_both_counts() -> None:
    p, labels = draw(np.random.default_rng(2), 2000, 10, over_predict=3.2)
    verdict = judge_verdict(p, labels)
    (first, *_) = [finding for finding in verdict.findings if finding["kind"] == "class"]
    assert first["name"] == "0"
    assert first["predicted"] == pytest.approx(p[:, 0].sum())
    assert first["observed"] == (labels == 0).sum()
    assert first["size"] == pytest.approx(abs(p[:, 0].sum() - (labels == 0).sum()) / 2000)
    assert first["detectable"] is not None
    assert 0 < first["detectable"] < first["size"]
    assert f"class 0: {p[:, 0].sum():.0f} predicted, {(labels == 0).sum()} observed" in verdict.sentence


def test_a_bias_that_the_top_label_does_not_show_is_found() -> None:
    """`special_rpw`: 0.06 % positives, scores biased by a weight of the loss, then a temperature: ECE15 is small."""
    rng = np.random.default_rng(3)
    true = 1 / (1 + np.exp(-(rng.normal(size=10_000) * 1.5 - 8.5)))
    labels = (rng.random(10_000) < true).astype(int)
    shown = np.clip(true * 14, 0, 0.45)
    verdict = judge_verdict(np.stack([1 - shown, shown], axis=1), labels)
    assert verdict.calibrated == "miscalibrated"
    assert [finding["name"] for finding in verdict.findings if finding["kind"] == "class"] == ["1"]
    assert f"class 1: {shown.sum():.0f} predicted, {labels.sum()} observed" in verdict.sentence


@pytest.mark.slow
def test_the_word_for_the_size_is_not_that_of_the_significance() -> None:
    n = 50_000
    labels = (np.arange(n) % 1000 >= 893).astype(int)  # 89.3 % are right
    slight = judge_verdict(np.tile([0.9, 0.1], (n, 1)), labels)
    strong = judge_verdict(*draw(np.random.default_rng(4), 2000, 10, sharpen=3.0))
    assert slight.sentence.startswith("miscalibrated, slightly over-confident")
    assert strong.sentence.startswith("miscalibrated, strongly over-confident")
    for verdict, low, high in ((slight, 0.006, 0.008), (strong, 0.05, 1)):
        (top,) = [finding for finding in verdict.findings if finding["kind"] == "top_label"]
        assert low < top["size"] < high
        assert top["p"] < 0.05


def test_few_samples_are_said_to_be_few() -> None:
    verdict = judge_verdict(*draw(np.random.default_rng(5), 40, 10))
    assert verdict.calibrated == "too_few"
    assert verdict.sentence.startswith("too few to tell: 40 samples")
    assert verdict.detectable is not None
    assert verdict.detectable > 0.1
    assert f"only a gap of {100 * verdict.detectable:.2f} % would have been found 4 times in 5" in verdict.sentence


@pytest.mark.slow
def test_a_detectable_gap_is_found_about_four_times_in_five() -> None:
    """The top label's confidence is raised by the gap that the verdict calls detectable."""
    rng = np.random.default_rng(6)
    found = runs = 0
    for run in range(60):
        top = rng.uniform(0.5, 0.9, size=1000)
        labels = (rng.random(1000) > top).astype(int)
        gap = judge_verdict(np.stack([top, 1 - top], axis=1), labels, draws=300, seed=run).detectable
        assert gap is not None
        shown = top + gap
        verdict = judge_verdict(np.stack([shown, 1 - shown], axis=1), labels, draws=300, seed=run)
        runs += 1
        found += verdict.calibrated == "miscalibrated"
    assert found / runs > 0.65


def test_one_sample_and_certain_models_have_a_verdict() -> None:
    assert judge_verdict(np.array([[0.7, 0.3]]), np.array([0])).calibrated == "too_few"
    certain = np.eye(3)[np.arange(90) % 3]
    assert judge_verdict(certain, np.arange(90) % 3).calibrated == "no_sign"
    wrong = np.arange(90) % 3
    wrong[0] = 2
    assert judge_verdict(certain, wrong).calibrated == "miscalibrated"


def test_soft_labels_are_judged_by_the_shares_of_people() -> None:
    """The majority is right more often than the model is confident; the shares of people are what it predicts."""
    rng = np.random.default_rng(7)
    p, _ = draw(rng, 1500, 5)
    soft = np.stack([rng.multinomial(50, row / row.sum()) for row in p]) / 50
    majority = soft.argmax(axis=1)
    assert judge_verdict(p, majority).calibrated == "miscalibrated"
    assert judge_verdict(p, majority, soft).calibrated == "no_sign"
    other, _ = draw(rng, 1500, 5)
    wrong = judge_verdict(other, majority, soft)
    assert {finding["kind"] for finding in wrong.findings} == {"soft"}


@pytest.mark.slow
def test_the_level_against_shares_of_people_holds() -> None:
    rng = np.random.default_rng(8)
    wrong = 0
    for run in range(80):
        p, _ = draw(rng, 300, 5)
        soft = np.stack([rng.multinomial(5, row / row.sum()) for row in p]) / 5
        wrong += judge_verdict(p, soft.argmax(axis=1), soft, seed=run).calibrated == "miscalibrated"
    assert wrong <= binom.ppf(0.999, 80, 0.05)


@pytest.mark.filterwarnings("error")
def test_probabilities_near_0_make_no_overflow() -> None:
    p = np.array([[1 - 1e-300, 1e-300], [1.0, 0.0]] * 30)
    assert judge_verdict(p, np.zeros(60, dtype=int)).calibrated == "no_sign"
    assert judge_verdict(p, np.array([1] + [0] * 59)).calibrated == "miscalibrated"
