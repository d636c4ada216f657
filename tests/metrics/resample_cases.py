"""Small cases with ties, and the checks that every metric must pass: the order of samples, and the default `resampled`."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st

from calibench.metrics.judged import Judged
from calibench.metrics.metric import Metric
from calibench.outputs.outputs import Outputs
from calibench.outputs.several_labels import yes_no_outputs


@st.composite
def tied_samples(draw, classes=(2, 4)):
    """A few samples with few distinct rows of small whole logits or of coarse probabilities, and three rows of weights 0 .. 3."""
    n, k = draw(st.integers(1, 14)), draw(st.integers(*classes))
    scores = np.array(
        draw(st.lists(st.lists(st.integers(0, 4), min_size=k, max_size=k), min_size=n, max_size=n)), dtype=np.float64
    )
    from_probs = draw(st.booleans())
    if from_probs:
        scores[:, 0] += scores.sum(axis=1) == 0
        scores /= scores.sum(axis=1, keepdims=True)
    labels = draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n))
    weights = np.array([draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)) for _ in range(3)], dtype=np.float64)
    weights[weights.sum(axis=1) == 0, 0] = 1
    return Judged(Outputs(torch.tensor(scores), from_probs), torch.tensor(labels)), weights


def several_labels(n, labels, seed):
    """Random samples with several labels, and four resamples of whole samples."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(n, labels))
    truth = (logits + generator.normal(size=(n, labels)) > 0).astype(np.int64)
    judged = Judged(yes_no_outputs(torch.tensor(logits)), torch.tensor(truth).flatten())
    return judged, np.repeat(generator.multinomial(n, [1 / n] * n, size=4).astype(np.float64), labels, axis=1)


def check_resampled(metric, judged, weights, atol=1e-12):
    """The fast `resampled` equals the default, NaN for NaN."""
    default = Metric.resampled(metric, judged, weights)
    np.testing.assert_allclose(metric.resampled(judged, weights), default, rtol=atol, atol=atol)


def check_order(metric, judged, seed=0, atol=1e-12):
    """The order of samples changes nothing."""
    order = np.random.default_rng(seed).permutation(judged.n)
    np.testing.assert_allclose(metric.value(judged.take(order)), metric.value(judged), rtol=atol, atol=atol)
