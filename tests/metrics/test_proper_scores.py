"""NLL and the Brier score with its decomposition, against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from metric_cases import from_table, simulated

from calibench.metrics.brier import Brier
from calibench.metrics.judged import Judged
from calibench.metrics.nll import Nll
from calibench.outputs.outputs import Outputs


@pytest.mark.parametrize("from_probs", [False, True])
@pytest.mark.parametrize("bins", [1, 3, 15])
def test_the_brier_decomposition_adds_up_and_equals_loops(from_probs, bins):
    judged = simulated(300, 4, seed=2, from_probs=from_probs)
    details = Brier(bins).details(judged)
    reliability = resolution = uncertainty = 0.0
    for k in range(4):
        p, y = judged.probs[:, k], (judged.labels == k).astype(float)
        uncertainty += y.mean() * (1 - y.mean())
        for b in range(bins):
            inside = [i for i in range(300) if b / bins < p[i] <= (b + 1) / bins or (b == 0 and p[i] == 0)]
            if inside:
                reliability += len(inside) / 300 * (p[inside].mean() - y[inside].mean()) ** 2
                resolution += len(inside) / 300 * (y[inside].mean() - y.mean()) ** 2
    assert details["reliability"] == pytest.approx(reliability, abs=1e-13)
    assert details["resolution"] == pytest.approx(resolution, abs=1e-13)
    assert details["uncertainty"] == pytest.approx(uncertainty, abs=1e-13)
    total = details["reliability"] - details["resolution"] + details["uncertainty"] + details["within_bin"]
    assert total == pytest.approx(Brier().value(judged), abs=1e-13)


def test_the_within_bin_term_is_0_if_forecasts_are_constant_in_each_bin():
    judged = from_table([[0.25, 0.75]] * 4 + [[0.5, 0.5]] * 2, [0, 1, 1, 1, 0, 1])
    details = Brier(15).details(judged)
    assert details["within_bin"] == pytest.approx(0, abs=1e-16)
    assert details["reliability"] == pytest.approx(0, abs=1e-16)


def test_nll_clips_probabilities_at_1e_12_and_counts_them():
    judged = from_table([[0.0, 1.0], [1e-13, 1 - 1e-13], [1e-12, 1 - 1e-12], [0.5, 0.5]], [0, 0, 0, 1])
    assert Nll().value(judged) == pytest.approx((3 * -math.log(1e-12) + math.log(2)) / 4)
    assert Nll().details(judged) == {"clipped": 2}
    assert Nll().details(judged.take(np.array([0, 0, 3]))) == {"clipped": 2}
    logits = Judged(Outputs(torch.tensor([[-100.0, 0.0], [0.0, 0.0]])), torch.tensor([0, 1]))
    assert Nll().value(logits) == pytest.approx((100 + math.log(2)) / 2)
    assert Nll().details(logits) == {"clipped": 0}
