"""`BatchStream`: the figures of streamed batches, without those of ignored labels."""

from __future__ import annotations

import pytest
import torch

import calibench
from calibench.errors import InputError
from calibench.integrations.batch_stream import BatchStream, Scores, as_scores, labels_in, scores_in


def test_batches_have_the_figures_of_all_rows(samples):
    x, y = map(torch.as_tensor, samples(300))
    stream = BatchStream()
    for part in (slice(0, 7), slice(7, 200), slice(200, None)):
        labels = torch.cat([y[part], torch.tensor([-100])])
        stream.add(Scores(torch.cat([x[part], x[:1]]), False), labels)
    figures = calibench.evaluate(x, y, resamples=0).metrics
    assert stream.figures() == pytest.approx({name: figures[name] for name in ("ece15", "brier", "nll", "accuracy")})
    assert stream.figures() == {}  # they were forgotten


def test_what_a_step_returns():
    z, y = torch.zeros(2, 3), torch.zeros(2)
    assert scores_in({"loss": 1, "logits": z}) == Scores(z, False)
    assert scores_in({"probs": z}).from_probs
    assert scores_in(z) is None
    assert labels_in({"loss": z}, {"target": y}) is y
    assert labels_in(z, [z, y]) is None


def test_mistakes():
    stream = BatchStream()
    z, y = torch.zeros(2, 3), torch.zeros(2, dtype=torch.long)
    with pytest.raises(InputError, match=r"scores \[2, 3\] and labels \[2, 3\]"):
        stream.add(Scores(z, False), z)
    stream.add(Scores(z, False), y)
    with pytest.raises(InputError, match="some batches hold logits and some probabilities"):
        stream.add(Scores(z + 1 / 3, True), y)
    with pytest.raises(InputError, match="read returned a Tensor"):
        as_scores(z)
