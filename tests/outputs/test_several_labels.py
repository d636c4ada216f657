"""Outputs of samples with several labels, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calibench.errors import InputError
from calibench.outputs.several_labels import check_samples, label_scores, yes_no_outputs


def test_label_scores_is_the_inverse_of_yes_no_outputs() -> None:
    x = torch.randn(5, 3, dtype=torch.float64)
    outputs = yes_no_outputs(x)
    assert outputs.scores.shape == (15, 2)
    assert outputs.labels_per_sample == 3
    torch.testing.assert_close(outputs.probs()[:, 1].reshape(5, 3), x.sigmoid())
    assert torch.equal(label_scores(outputs), x)
    assert torch.equal(label_scores(yes_no_outputs(x.sigmoid(), from_probs=True)), x.sigmoid())


@pytest.mark.parametrize(
    ("scores", "labels", "words"),
    [
        (np.zeros((4, 3)), np.zeros((4, 2), dtype=int), r"labels \[4, 2\]"),
        (np.zeros((2, 2)), np.array([[0, 1], [1, 2]]), "row 1: a label is neither 0 nor 1"),
        (np.array([[0, 1.0], [np.nan, 0]]), np.array([[0, 1], [1, 1]]), "row 1: a score is NaN"),
        (np.zeros((2, 2)), np.zeros((2, 2), dtype=int), "all labels are 0"),
        (np.zeros((2, 3)), np.eye(3, dtype=int)[:2], "every row has exactly one label of 3"),
        (np.zeros((2, 1)), np.array([[0], [1]]), "several labels are at least two columns"),
        (np.zeros((2, 2)), np.array([[0, 1.0], [1, 0]]), "labels have type torch.float64"),
    ],
)
def test_unsound_scores_and_labels_are_refused(scores, labels, words: str) -> None:
    with pytest.raises(InputError, match=words):
        check_samples(torch.from_numpy(scores), torch.from_numpy(labels), False, "here")


def test_a_probability_outside_0_1_is_refused() -> None:
    probs = torch.tensor([[1.5, 0], [0, 1]])
    with pytest.raises(InputError, match=r"here: row 0: a probability lies outside \[0, 1\]"):
        check_samples(probs, torch.tensor([[0, 1], [1, 1]]), True, "here")
