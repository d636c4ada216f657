"""AURC against the mean over every order of tied samples."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import binary, simulated

from calibench.metrics.aurc import AURC
from calibench.metrics.judged import Judged
from calibench.outputs.outputs import Outputs


def aurc_of_order(wrong):
    return math.fsum(sum(wrong[: i + 1]) / (i + 1) for i in range(len(wrong))) / len(wrong)


def aurc_over_all_orders(tail, wrong):
    """The mean over every order of every tie, by enumeration."""
    ties = [[w for t, w in zip(tail, wrong, strict=True) if t == value] for value in sorted(set(tail))]
    orders = itertools.product(*(list(itertools.permutations(tie)) for tie in ties))
    return float(np.mean([aurc_of_order(list(itertools.chain(*order))) for order in orders]))


@given(st.lists(st.tuples(st.integers(5, 8), st.booleans()), min_size=1, max_size=7))
@settings(max_examples=60, deadline=None)
def test_aurc_is_the_mean_over_every_order_of_the_ties(samples):
    judged = binary([c / 8 for c, _ in samples], [correct for _, correct in samples])
    expected = aurc_over_all_orders(judged.tail.tolist(), (1 - judged.correct).tolist())
    assert AURC().value(judged) == pytest.approx(expected, abs=1e-13)


def test_aurc_without_ties_is_the_mean_running_error_rate():
    judged = simulated(500, 4, seed=1)
    wrong = (1 - judged.correct)[np.argsort(judged.tail)]
    assert len(set(judged.tail)) == 500
    assert AURC().value(judged) == pytest.approx(aurc_of_order(wrong.tolist()), abs=1e-13)
    best = aurc_of_order(sorted(wrong.tolist()))
    assert AURC().details(judged)["oracle"] == pytest.approx(best, abs=1e-13)
    assert AURC().details(judged)["excess"] == pytest.approx(AURC().value(judged) - best, abs=1e-13)


def test_aurc_distinguishes_confidences_that_round_to_1():
    logits = torch.tensor([[0.0, 60.0], [0.0, 80.0], [0.0, 50.0]], dtype=torch.float64)
    judged = Judged(Outputs(logits), torch.tensor([1, 1, 0]))
    assert judged.confidence.tolist() == [1.0, 1.0, 1.0]
    assert AURC().value(judged) == pytest.approx(1 / 9)
