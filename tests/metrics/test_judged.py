"""Judged: figures per sample, subsets, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from metric_cases import simulated, simulated_with_decisions

from calibench.errors import InputError
from calibench.metrics.judged import Judged
from calibench.outputs.outputs import Outputs


def test_figures_per_sample_equal_float64_softmax():
    judged = simulated(300, 7, seed=3)
    x = judged.outputs.scores.numpy()
    probs = np.exp(x - x.max(1, keepdims=True))
    probs /= probs.sum(1, keepdims=True)
    rows = np.arange(300)
    np.testing.assert_allclose(judged.probs, probs, rtol=1e-13)
    np.testing.assert_array_equal(judged.prediction, probs.argmax(1))
    np.testing.assert_allclose(judged.confidence, probs.max(1), rtol=1e-13)
    np.testing.assert_allclose(judged.tail, (1 - probs.max(1)) / probs.max(1), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(judged.nll, -np.log(probs[rows, judged.labels]), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(judged.brier, ((probs - np.eye(7)[judged.labels]) ** 2).sum(1), rtol=1e-12, atol=1e-15)


def test_take_returns_the_rows_with_repeats():
    judged = simulated_with_decisions(20, 3, seed=0)
    part = judged.take(np.array([4, 4, 1])).take(np.array([0, 2]))
    assert (part.n, part.num_classes) == (2, 3)
    names = "labels prediction confidence tail nll brier correct decisions probs sets uncertainty"
    for name in names.split():
        np.testing.assert_array_equal(getattr(part, name), getattr(judged, name)[[4, 1]])
    np.testing.assert_array_equal(part.costs, judged.costs)
    assert part.score == judged.score == "a score"
    np.testing.assert_array_equal(part.outputs.scores, judged.outputs.scores[[4, 1]])


def test_arrays_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        simulated(20, 3, seed=0).confidence[0] = 0


def test_labels_and_decisions_that_do_not_fit_are_refused():
    outputs = Outputs(torch.zeros(3, 2))
    with pytest.raises(InputError, match="3 rows of scores and 2 labels"):
        Judged(outputs, torch.tensor([0, 1]))
    y = torch.tensor([0, 1, 0])
    with pytest.raises(InputError, match="row 1: decision 2"):
        Judged(outputs, y, np.array([0, 2, -1]))
    with pytest.raises(InputError, match="shape"):
        Judged(outputs, y, np.array([0, 1]))
    with pytest.raises(InputError, match="decisions have type"):
        Judged(outputs, y, np.array(["a", "b", "c"]))
