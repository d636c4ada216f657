"""`sigmoid-threshold` against a loop over classes, and the sets in the record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from decision_cases import logits_and_labels

from calibench import InputError, Outputs, run
from calibench.records.store import read_predictions
from calibench_methods.decisions.sigmoid_threshold import SigmoidThreshold

THRESHOLDS = (0.2, 0.4, 0.4)


def test_sets_and_answers_equal_those_of_a_loop() -> None:
    logits, _ = logits_and_labels(300, 3, seed=4)
    logits = logits - 2
    decisions = SigmoidThreshold(values=THRESHOLDS).decide(Outputs(logits), {})
    p = 1 / (1 + np.exp(-logits.numpy()))
    sets = p >= np.array(THRESHOLDS)
    assert decisions.sets is not None
    np.testing.assert_array_equal(decisions.sets.numpy(), sets)
    for row, in_set, answer in zip(p, sets, decisions.answers.tolist(), strict=True):
        assert answer == (int(np.where(in_set, row, -1).argmax()) if in_set.any() else -1)
    assert set(sets.sum(axis=1)) == {0, 1, 2, 3}


def test_sigmoids_that_round_to_1_rank_by_logit() -> None:
    logits = torch.tensor([[800.0, 900.0, 0.0], [0.0, 0.0, -1.0]])
    assert SigmoidThreshold().decide(Outputs(logits), {}).answers.tolist() == [1, 0]


def test_probabilities_are_compared_directly() -> None:
    """A stored float32 0.7 reaches the threshold 0.7."""
    probs = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.15, 0.35, 0.5]])
    decisions = SigmoidThreshold(values=(0.7, 0.3, 0.55)).decide(Outputs(probs, from_probs=True), {})
    assert decisions.sets is not None
    assert decisions.sets.tolist() == [[True, False, False], [False, True, True], [False, True, False]]
    assert decisions.answers.tolist() == [0, 2, 1]
    none = SigmoidThreshold(0.9).decide(Outputs(probs.double(), from_probs=True), {})
    assert none.answers.tolist() == [-1, -1, -1]


def test_two_kinds_of_threshold_and_a_wrong_number_are_refused() -> None:
    with pytest.raises(InputError, match="not both"):
        SigmoidThreshold(0.4, (0.2, 0.4))
    with pytest.raises(InputError, match="2 values for 3 classes"):
        SigmoidThreshold(values=(0.2, 0.4)).check(3)


@pytest.mark.usefixtures("features")
def test_a_run_stores_the_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = "ce+sigmoid-threshold:values=0.2;0.4;0.4"
    record = run(recipe, "npz:path=features.npz", "frozen", results=tmp_path / "r")
    predictions = read_predictions(tmp_path / "r", record)
    sets, logits = predictions["test.sets"], predictions["test.logits"]
    assert sets.dtype == bool
    np.testing.assert_array_equal(sets, 1 / (1 + np.exp(-logits.astype(float))) >= THRESHOLDS)
    assert record.metrics["set_size"] == pytest.approx(sets.sum(axis=1).mean())
    assert record.details["selective_risk"]["score"] == "max-sigmoid"
