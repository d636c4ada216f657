"""Few samples with many ties, and weights to resample them: where fast resampling is most likely to go wrong."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import full_decisions

from calibench.metrics.judged import Judged
from calibench.metrics.metric import Metric
from calibench.outputs.outputs import Outputs
from calibench.outputs.several_labels import yes_no_outputs


@st.composite
def tied_cases(draw, classes=(2, 4)):
    """A few samples of few distinct rows (probabilities on bin edges, or small whole logits), and weights 0 .. 3."""
    n, k = draw(st.integers(1, 12)), draw(st.integers(*classes))
    rows = st.lists(st.lists(st.integers(0, 3), min_size=k, max_size=k), min_size=n, max_size=n)
    scores = np.array(draw(rows), dtype=np.float64)
    from_probs = draw(st.booleans())
    if from_probs:
        scores[:, 0] += scores.sum(axis=1) == 0
        scores /= scores.sum(axis=1, keepdims=True)

    def whole_numbers(low, high):
        return np.array(draw(st.lists(st.integers(low, high), min_size=n, max_size=n)))

    labels, answers = whole_numbers(0, k - 1), whole_numbers(-1, k - 1)
    weights = np.stack([whole_numbers(0, 3) for _ in range(3)]).astype(np.float64)
    weights[weights.sum(axis=1) == 0, 0] = 1
    outputs = Outputs(torch.tensor(scores), from_probs)
    return Judged(outputs, torch.tensor(labels), full_decisions(answers, k)), weights


def check_resampled(metric, judged, weights, atol=1e-12, rtol=0.0):
    """`resampled` equals the default, which takes the rows of each resample; NaN for NaN."""
    default = Metric.resampled(metric, judged, weights)
    np.testing.assert_allclose(metric.resampled(judged, weights), default, rtol=rtol, atol=atol)


def check_order(metric, judged, seed=0, atol=1e-12, rtol=0.0):
    """The order of the samples changes no figure."""
    order = np.random.default_rng(seed).permutation(judged.n)
    np.testing.assert_allclose(metric.value(judged.take(order)), metric.value(judged), rtol=rtol, atol=atol)


def resampling_property(metrics):
    """A test of many tied cases: `resampled` equals the default, and the order of the samples changes no figure."""

    @pytest.mark.slow
    @given(case=tied_cases())
    @settings(max_examples=60, deadline=None)
    def test(case):
        judged, weights = case
        for metric in metrics:
            check_resampled(metric, judged, weights, rtol=1e-12)
            check_order(metric, judged, rtol=1e-12)

    return test


def check_floor_of_the_labels(metric, judged):
    """The noise floor of the true labels is the figure itself."""
    labels = judged.labels[None, :]
    draws = metric.floor_draws(judged, judged.prediction[None, :] == labels, labels)
    figure = metric.value(judged)
    assert np.isnan(figure) if draws is None else np.abs(draws[0] - figure) <= 1e-12


def several_labels(n, labels, seed):
    """Random samples with several labels, and four resamples of whole samples."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(n, labels))
    truth = (logits + generator.normal(size=(n, labels)) > 0).astype(np.int64)
    judged = Judged(yes_no_outputs(torch.tensor(logits)), torch.tensor(truth).flatten())
    return judged, np.repeat(generator.multinomial(n, [1 / n] * n, size=4).astype(np.float64), labels, axis=1)
