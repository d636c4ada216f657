"""`threshold` with set thresholds against a loop over classes, its refusals, and coverage and selective risk in the record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from decision_cases import post_hoc
from hypothesis import given, settings
from hypothesis import strategies as st

from calibench import InputError, Outputs, run
from calibench.config.resolve import resolve
from calibench.records.store import read_predictions
from calibench_methods.decisions.threshold import Threshold


def decide(probs: list[list[float]], value: float = 0.5, values: tuple[float, ...] | None = None) -> list[int]:
    scores = torch.tensor(probs, dtype=torch.float64)
    return Threshold(value, values).decide(Outputs(scores, from_probs=True), {}).answers.tolist()


def answer_by_loop(row: list[float], thresholds: list[float]) -> int:
    answer = -1
    for k, (p, t) in enumerate(zip(row, thresholds, strict=True)):
        if p >= t and (answer == -1 or p > row[answer]):
            answer = k
    return answer


def test_one_threshold_for_all_classes() -> None:
    assert decide([[0.79, 0.21, 0.0], [0.8, 0.1, 0.1], [0.1, 0.05, 0.85]], 0.8) == [-1, 0, 2]


def test_thresholds_per_class() -> None:
    """Three classes with thresholds 0.2, 0.4, 0.4."""
    rows = {
        (0.25, 0.39, 0.36): 0,  # the least probable class can be the only one that reaches its threshold
        (0.19, 0.42, 0.39): 1,
        (0.30, 0.45, 0.25): 1,  # two classes reach theirs: the more probable one
        (0.45, 0.43, 0.12): 0,
        (0.10, 0.45, 0.45): 1,  # two classes reach theirs and tie: the lowest index
        (0.20, 0.40, 0.40): 1,  # all three are equal to theirs
    }
    assert decide([list(row) for row in rows], values=(0.2, 0.4, 0.4)) == list(rows.values())
    assert decide([[0.19, 0.43, 0.38]], values=(0.2, 0.5, 0.4)) == [-1]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_a_probability_equal_to_the_threshold_reaches_it_in_any_precision(dtype: torch.dtype) -> None:
    """A float32 0.7 is 0.69999999 in float64, but a user who writes 0.7 twice means the same number."""
    for t in (0.1, 0.3, 0.6, 0.7, 0.8, 0.9):
        outputs = Outputs(torch.tensor([[t, 1 - t], [t - 0.02, 1.02 - t]], dtype=torch.float64).to(dtype), True)
        assert Threshold(0.5, (t, 1.0)).decide(outputs, {}).answers.tolist() == [0, -1], t


def test_ties_go_to_the_lowest_index_and_thresholds_0_and_1_work() -> None:
    assert decide([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]], 0.3) == [0, 1]
    assert decide([[0.0, 1.0], [0.5, 0.5]], 0.0) == [1, 0]
    assert decide([[0.0, 1.0], [0.5, 0.5]], 1.0) == [1, -1]


@settings(max_examples=200, deadline=None)
@given(
    weights=st.lists(st.lists(st.integers(0, 10), min_size=3, max_size=3).filter(any), min_size=1, max_size=8),
    thresholds=st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.4, 0.5, 0.75, 1.0]), min_size=3, max_size=3),
)
def test_answers_equal_those_of_a_loop(weights: list[list[int]], thresholds: list[float]) -> None:
    probs = [[w / sum(row) for w in row] for row in weights]
    assert decide(probs, values=tuple(thresholds)) == [answer_by_loop(row, thresholds) for row in probs]
    assert decide(probs, thresholds[0]) == [answer_by_loop(row, [thresholds[0]] * 3) for row in probs]


def test_thresholds_apply_to_the_probabilities_of_logits() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.1, 0.0, 0.0]])
    assert Threshold(0.7, None).decide(Outputs(logits), {}).answers.tolist() == [0, -1]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("ce+threshold:value=1.1", "outside"),
        ("ce+threshold:value=-0.1", "outside"),
        ("ce+threshold:value=nan", "outside"),
        ("ce+threshold:values=0.2;1.4;0.4", "outside"),
        ("ce+threshold:values=0.2;x", "numbers joined"),
        ("threshold+ce", "cannot follow"),
        ("ce+threshold+temperature", "cannot follow"),
        ("ce+threshold+threshold", "cannot follow"),
    ],
)
def test_bad_thresholds_are_refused(recipe: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve(recipe)


def test_two_kinds_of_threshold_and_a_wrong_number_are_refused() -> None:
    with pytest.raises(InputError, match="not both"):
        Threshold(0.4, (0.2, 0.4))
    Threshold(0.5, (0.2, 0.4, 0.4)).check(3)
    with pytest.raises(InputError, match="3 values for 4 classes"):
        Threshold(0.5, (0.2, 0.4, 0.4)).check(4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("value=0.8,target_risk=0.1", "not both value and target_risk"),
        ("values=0.2;0.4;0.4,metric=f1", "not both values and metric"),
        ("target_risk=0.1,target_coverage=0.9", "not both target_risk and target_coverage"),
        ("value=0.8,score=entropy", "neither is set"),
        ("metric=f1,guarantee=none", "neither is set"),
        ("delta=0.1", "neither is set"),
        ("target_risk=0.1,pnorm=3", "pnorm does nothing for score max-softmax"),
        ("target_risk=0.1,guarantee=none,delta=0.1", "delta does nothing"),
        ("target_coverage=0.9,guarantee=sgr", "sgr bounds the risk"),
        ("target_risk=0", "target_risk=0 is not between 0 and 1"),
        ("target_coverage=1", "target_coverage=1 is not between 0 and 1"),
        ("target_risk=0.1,delta=0", "not between 0 and 1"),
        ("target_risk=0.1,score=loudness", "not one of its choices"),
        ("target_risk=2", "outside"),
    ],
)
def test_contradictory_and_idle_parameters_are_refused(options: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        post_hoc(f"threshold:{options}", 3)
    assert error.value.hint


@pytest.fixture(scope="module")
def head_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features that are logits, because the head is the identity: the figures of a record can be counted here."""
    rng = np.random.default_rng(3)
    y = rng.integers(3, size=400)
    x = (rng.normal(size=(400, 3)) * 1.5 + 2 * np.eye(3)[y]).astype(np.float32)
    file = tmp_path_factory.mktemp("threshold") / "head.npz"
    arrays = {"train_x": x[:250], "train_y": y[:250], "test_x": x[250:], "test_y": y[250:]}
    np.savez(file, **arrays, head_weight=np.eye(3), head_bias=np.zeros(3))
    return file


def test_a_record_counts_coverage_and_risk(head_only: Path, tmp_path: Path) -> None:
    thresholds = [0.6, 0.8, 0.95]
    recipe = "ce+threshold:values=" + ";".join(map(str, thresholds))
    record = run(recipe, f"npz:path={head_only}", "frozen", results=tmp_path)
    with np.load(head_only) as file:
        logits, labels = file["test_x"].astype(np.float64), file["test_y"]
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    probs = weights / weights.sum(axis=1, keepdims=True)
    answers = np.array([answer_by_loop(row, thresholds) for row in probs.tolist()])
    answered = answers >= 0
    assert 20 < answered.sum() < 140  # otherwise the test shows little
    assert record.metrics["coverage"] == pytest.approx(answered.mean(), abs=1e-15)
    assert record.metrics["selective_risk"] == pytest.approx((answers != labels)[answered].mean(), abs=1e-15)
    rates = [(~answered)[labels == k].mean() for k in range(3)]
    assert record.details["coverage"]["abstention_per_class"] == pytest.approx(rates, abs=1e-15)
    assert read_predictions(tmp_path, record)["test.decisions"].tolist() == answers.tolist()
    assert record.metrics["accuracy"] == pytest.approx(np.mean(logits.argmax(axis=1) == labels))


def test_a_rule_without_answers_has_no_risk(head_only: Path) -> None:
    record = run("ce+threshold:value=1.0", f"npz:path={head_only}", "frozen", results=None)
    assert record.metrics["coverage"] == 0
    assert record.metrics["selective_risk"] is None
    assert record.intervals["selective_risk"] is None


def test_a_recipe_without_a_rule_has_no_coverage(head_only: Path) -> None:
    assert "coverage" not in run("ce", f"npz:path={head_only}", "frozen", results=None).metrics


def test_the_wrong_number_of_thresholds_is_refused_before_anything_is_written(head_only: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 values for 3 classes"):
        run("ce+threshold:values=0.5;0.5", f"npz:path={head_only}", "frozen", results=tmp_path / "r")
    assert not (tmp_path / "r").exists()


@pytest.mark.slow
def test_evaluate_with_thresholds_per_class(cli: Callable[..., Any], tmp_path: Path) -> None:
    rows = [(0.25, 0.39, 0.36, 0), (0.19, 0.43, 0.38, 1), (0.3, 0.45, 0.25, 2), (0.19, 0.39, 0.42, 2)]
    rows += [(0.1, 0.39, 0.51, 0), (0.15, 0.46, 0.39, 1)]
    lines = ["a,b,c,label", *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "three.csv").write_text("\n".join(lines))
    after = cli("evaluate", "three.csv", "--fit", "threshold:values=0.2;0.4;0.4", "--json").document["after"]
    assert after["metrics"]["coverage"] == 1
    assert after["metrics"]["selective_risk"] == pytest.approx(2 / 6)  # rows 2 and 4; row 0 is class 0 by its threshold
    stricter = cli("evaluate", "three.csv", "--fit", "threshold:values=0.2;0.44;0.45", "--json").document["after"]
    assert stricter["metrics"]["coverage"] == pytest.approx(4 / 6)
    assert stricter["details"]["coverage"]["abstention_per_class"] == [0, 0.5, 0.5]


@pytest.mark.slow
def test_evaluate_with_a_target_risk(
    cli: Callable[..., Any], refused: Callable[..., str], two_files: Callable[..., None]
) -> None:
    two_files(600, seeds=(0, 1))
    fit = ("evaluate", "test.npz", "--fit", "threshold:target_risk=0.3,delta=0.1")
    document = cli(*fit, "--fit-on", "val.npz", "--json").document
    assert document["fit"]["bound"] <= 0.3
    risk = document["after"]["details"]["selective_risk"]
    assert risk["target"] == 0.3
    assert len(risk["curve_risk"]) == len(risk["curve_coverage"]) == 100
    assert risk["curve_risk"][-1] == pytest.approx(1 - document["after"]["metrics"]["accuracy"])
    refused(*fit, says="needs samples to fit on", hint="--fit-on")
