"""Every metric ignores the order of samples, the form of the scores, and their precision."""

from __future__ import annotations

import pytest
import torch
from metric_cases import name_of, simulated

from calibench.metrics.accuracy import Accuracy
from calibench.metrics.aurc import AURC
from calibench.metrics.brier import Brier
from calibench.metrics.classwise_ece import ClasswiseECE
from calibench.metrics.ece import ECE
from calibench.metrics.ece_equal_mass import EqualMassECE
from calibench.metrics.judged import Judged
from calibench.metrics.mce import MCE
from calibench.metrics.nll import Nll
from calibench.outputs.outputs import Outputs

METRICS = [Accuracy(), Nll(), Brier(), ECE(15), ECE(10), MCE(15), EqualMassECE(15), ClasswiseECE(15), AURC()]


@pytest.mark.parametrize("metric", METRICS, ids=name_of)
def test_a_shift_of_logits_an_order_of_samples_and_softmax_change_nothing(metric):
    judged = simulated(250, 6, seed=9)
    value, x, y = metric.value(judged), judged.outputs.scores, torch.tensor(judged.labels)
    shift = torch.linspace(-40, 40, 250, dtype=torch.float64)[:, None]
    assert metric.value(Judged(Outputs(x + shift), y)) == pytest.approx(value, abs=1e-12)
    order = torch.randperm(250, generator=torch.Generator().manual_seed(0))
    assert metric.value(Judged(Outputs(x[order]), y[order])) == pytest.approx(value, abs=1e-12)
    assert metric.value(judged.take(order.numpy())) == pytest.approx(value, abs=1e-12)
    assert metric.value(Judged(Outputs(x.softmax(1), from_probs=True), y)) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_narrow_scores_are_judged_as_the_exact_value_of_the_stored_numbers(dtype):
    wide = simulated(200, 5, seed=4)
    narrow = wide.outputs.scores.to(dtype)
    y = torch.tensor(wide.labels)
    for metric in METRICS:
        exact = metric.value(Judged(Outputs(narrow.double()), y))
        assert metric.value(Judged(Outputs(narrow), y)) == exact
