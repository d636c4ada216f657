"""Metrics of samples with several labels: their intervals resample whole samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calibench.evaluation.judge import judge
from calibench.metrics.exact_match import ExactMatch
from calibench.metrics.judged import Judged
from calibench.metrics.load import load_metrics
from calibench.metrics.macro_f1 import MacroF1
from calibench.metrics.metric import Metric
from calibench.outputs.outputs import Outputs
from calibench.outputs.several_labels import yes_no_outputs


def test_answers_of_one_sample_are_resampled_together():
    """Labels that copy each other hold no more information than one of them, so their intervals are the same."""
    x, y = torch.randn(200, dtype=torch.float64) * 2, torch.randint(2, (200,))
    metrics = load_metrics()
    one = judge(Judged(Outputs(torch.stack([torch.zeros_like(x), x], dim=1)), y), metrics)
    copies = judge(Judged(yes_no_outputs(x[:, None].repeat(1, 4)), y[:, None].repeat(1, 4).flatten()), metrics)
    for name in ("nll", "brier"):
        assert copies.intervals[name] == pytest.approx(one.intervals[name], rel=1e-9), name
    assert copies.intervals["accuracy"] == pytest.approx(one.intervals["accuracy"], abs=0.005)
    for name in ("ece15", "classwise_ece15"):
        assert np.std(copies.replicates[name]) == pytest.approx(np.std(one.replicates[name]), rel=1e-9), name
        assert copies.intervals[name] is None
        assert "labels of one sample may depend" in copies.no_interval[name]
    assert copies.intervals["exact_match"] == pytest.approx(one.intervals["accuracy"], abs=0.01)
    assert "exact_match" not in one.metrics


@pytest.mark.parametrize("metric", [ExactMatch(), MacroF1()])
def test_fast_resampling_equals_the_default(metric):
    x, y = torch.randn(30, 3), torch.randint(2, (30, 3))
    judged = Judged(yes_no_outputs(x), y.flatten())
    weights = np.repeat(np.random.default_rng(0).multinomial(30, [1 / 30] * 30, size=8).astype(float), 3, axis=1)
    np.testing.assert_allclose(metric.resampled(judged, weights), Metric.resampled(metric, judged, weights), rtol=1e-12)
