"""`threshold` against a loop over classes written out by hand, and its coverage and selective risk against a hand count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calibench import InputError, Outputs, run
from calibench.config.from_words import resolve
from calibench.records.store import read_predictions
from calibench_methods.decisions.threshold import Threshold


def decide(probs: list[list[float]], value: float = 0.5, values: tuple[float, ...] | None = None) -> list[int]:
    scores = torch.tensor(probs, dtype=torch.float64)
    return Threshold(value, values).decide(Outputs(scores, from_probs=True), {}).answers.tolist()


def by_hand(row: list[float], thresholds: list[float]) -> int:
    answer = -1
    for k, (p, t) in enumerate(zip(row, thresholds, strict=True)):
        if p >= t and (answer == -1 or p > row[answer]):
            answer = k
    return answer


def test_one_threshold_for_all_classes() -> None:
    assert decide([[0.79, 0.21, 0.0], [0.8, 0.1, 0.1], [0.1, 0.05, 0.85]], 0.8) == [-1, 0, 2]


def test_the_per_class_example() -> None:
    """Three classes with thresholds 0.2, 0.4, 0.4."""
    rows = {
        (0.25, 0.39, 0.36): 0,  # the least probable of the three may be the only one that passes
        (0.19, 0.42, 0.39): 1,
        (0.30, 0.45, 0.25): 1,  # two pass: the more probable
        (0.45, 0.43, 0.12): 0,
        (0.10, 0.45, 0.45): 1,  # two pass and tie: the lowest index
        (0.20, 0.40, 0.40): 1,  # all three pass by equality
    }
    assert decide([list(row) for row in rows], values=(0.2, 0.4, 0.4)) == list(rows.values())
    assert decide([[0.19, 0.43, 0.38]], values=(0.2, 0.5, 0.4)) == [-1]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_equality_passes_in_the_precision_of_the_scores(dtype: torch.dtype) -> None:
    """A float32 0.7 is 0.69999999 in float64; the user who wrote 0.7 twice meant one number."""
    for t in (0.1, 0.3, 0.6, 0.7, 0.8, 0.9):
        outputs = Outputs(torch.tensor([[t, 1 - t], [t - 0.02, 1.02 - t]], dtype=torch.float64).to(dtype), True)
        found = Threshold(0.5, (t, 1.0)).decide(outputs, {}).answers.tolist()
        assert found == [0, -1], t


def test_ties_at_the_top_go_to_the_lowest_index_and_extremes_hold() -> None:
    assert decide([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4]], 0.3) == [0, 1]
    assert decide([[0.0, 1.0], [0.5, 0.5]], 0.0) == [1, 0]
    assert decide([[0.0, 1.0], [0.5, 0.5]], 1.0) == [1, -1]


@settings(max_examples=200, deadline=None)
@given(
    weights=st.lists(st.lists(st.integers(0, 10), min_size=3, max_size=3).filter(any), min_size=1, max_size=8),
    thresholds=st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.4, 0.5, 0.75, 1.0]), min_size=3, max_size=3),
)
def test_against_a_loop(weights: list[list[int]], thresholds: list[float]) -> None:
    probs = [[w / sum(row) for w in row] for row in weights]
    assert decide(probs, values=tuple(thresholds)) == [by_hand(row, thresholds) for row in probs]
    assert decide(probs, thresholds[0]) == [by_hand(row, [thresholds[0]] * 3) for row in probs]


def test_logits_are_turned_into_probabilities_first() -> None:
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


def test_both_kinds_and_the_wrong_length_are_refused() -> None:
    with pytest.raises(InputError, match="not both"):
        Threshold(0.4, (0.2, 0.4))
    Threshold(0.5, (0.2, 0.4, 0.4)).check(3)
    with pytest.raises(InputError, match="3 values for 4 classes"):
        Threshold(0.5, (0.2, 0.4, 0.4)).check(4)


@pytest.fixture(scope="module")
def head_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Features that are logits already (the head is the identity), so that what a record says can be counted by hand."""
    rng = np.random.default_rng(3)
    y = rng.integers(3, size=400)
    x = (rng.normal(size=(400, 3)) * 1.5 + 2 * np.eye(3)[y]).astype(np.float32)
    file = tmp_path_factory.mktemp("threshold") / "head.npz"
    arrays = {"train_x": x[:250], "train_y": y[:250], "test_x": x[250:], "test_y": y[250:]}
    np.savez(file, **arrays, head_weight=np.eye(3), head_bias=np.zeros(3))
    return file


def test_a_record_counts_coverage_and_risk_as_by_hand(head_only: Path, tmp_path: Path) -> None:
    thresholds = [0.6, 0.8, 0.95]
    recipe = "ce+threshold:values=" + ";".join(map(str, thresholds))
    record = run(recipe, f"npz:path={head_only}", "frozen", results=tmp_path)
    with np.load(head_only) as file:
        logits, labels = file["test_x"].astype(np.float64), file["test_y"].tolist()
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    answers = [by_hand(row, thresholds) for row in (weights / weights.sum(axis=1, keepdims=True)).tolist()]
    accepted = [(a, y) for a, y in zip(answers, labels, strict=True) if a >= 0]
    assert 20 < len(accepted) < 140  # else this shows little
    assert record.metrics["coverage"] == pytest.approx(len(accepted) / 150, abs=1e-15)
    wrong = sum(a != y for a, y in accepted)
    assert record.metrics["selective_risk"] == pytest.approx(wrong / len(accepted), abs=1e-15)
    rates = record.details["coverage"]["abstention_per_class"]
    for k in range(3):
        own = [a for a, y in zip(answers, labels, strict=True) if y == k]
        assert rates[k] == pytest.approx(sum(a < 0 for a in own) / len(own), abs=1e-15)
    assert read_predictions(tmp_path, record)["test.decisions"].tolist() == answers
    assert record.metrics["accuracy"] == pytest.approx(np.mean(logits.argmax(axis=1) == np.array(labels)))


def test_a_rule_that_accepts_nothing_has_no_risk(head_only: Path) -> None:
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
