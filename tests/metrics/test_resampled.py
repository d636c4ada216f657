"""`Metric.resampled`: fast overrides against the default, which takes the rows of each resample."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from metric_cases import name_of, simulated_with_decisions
from tied_cases import tied_cases

from calibench.metrics.accuracy import Accuracy
from calibench.metrics.aurc import AURC
from calibench.metrics.bootstrap import multiplicities
from calibench.metrics.brier import Brier
from calibench.metrics.classwise_ece import ClasswiseECE
from calibench.metrics.coverage import Coverage
from calibench.metrics.ece import ECE
from calibench.metrics.ece_equal_mass import EqualMassECE
from calibench.metrics.judged import Judged
from calibench.metrics.mce import MCE
from calibench.metrics.mean_cost import MeanCost
from calibench.metrics.metric import Metric
from calibench.metrics.nll import Nll
from calibench.metrics.sample_mean import SampleMean
from calibench.metrics.selective_risk import SelectiveRisk
from calibench.metrics.set_coverage import SetCoverage
from calibench.metrics.set_size import SetSize
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs


class SquaredConfidence(SampleMean):
    """A metric as a plugin author writes it."""

    def per_sample(self, judged):
        return judged.confidence**2


METRICS = [
    Accuracy(),
    Nll(),
    Brier(),
    ECE(15),
    ECE(10),
    ECE(1),
    MCE(15),
    EqualMassECE(15),
    EqualMassECE(4),
    ClasswiseECE(15),
    ClasswiseECE(2),
    ClasswiseECE(1),
    AURC(),
    Coverage(),
    SelectiveRisk(),
    SetCoverage(),
    SetSize(),
    MeanCost(),
    SquaredConfidence(),
]
each_metric = pytest.mark.parametrize("metric", METRICS, ids=name_of)


@pytest.mark.slow
@given(case=tied_cases())
@settings(max_examples=150, deadline=None)
def test_fast_resampling_equals_the_default_with_ties(case):
    judged, weights = case
    for metric in METRICS:
        default = Metric.resampled(metric, judged, weights)
        np.testing.assert_allclose(metric.resampled(judged, weights), default, rtol=0, atol=1e-12)


@each_metric
def test_fast_resampling_equals_the_default_on_bootstrap_weights(metric):
    judged = simulated_with_decisions(700, 6, seed=1)
    weights = next(multiplicities(700, 5, seed=3))
    default = Metric.resampled(metric, judged, weights)
    np.testing.assert_allclose(metric.resampled(judged, weights), default, rtol=0, atol=1e-12)


@each_metric
def test_a_weight_of_2_is_a_duplicated_sample_and_weights_of_1_are_the_samples(metric):
    judged = simulated_with_decisions(90, 4, seed=2)
    twice = Judged(
        Outputs(judged.outputs.scores.repeat_interleave(2, dim=0)),
        torch.tensor(judged.labels).repeat_interleave(2),
        Decisions(
            torch.tensor(np.repeat(judged.decisions, 2)),
            sets=torch.tensor(np.repeat(judged.sets, 2, axis=0)),
            costs=torch.tensor(judged.costs),
        ),
    )
    figures = metric.resampled(judged, np.stack([np.full(90, 2.0), np.ones(90)]))
    assert figures[0] == pytest.approx(metric.value(twice), abs=1e-12)
    assert figures[1] == pytest.approx(metric.value(judged), abs=1e-13)


@pytest.mark.parametrize("metric", [m for m in METRICS if not isinstance(m, AURC | EqualMassECE)], ids=name_of)
def test_doubling_every_sample_changes_no_figure_that_does_not_rank(metric):
    judged = simulated_with_decisions(90, 4, seed=2)
    twice = metric.resampled(judged, np.full((1, 90), 2.0))[0]
    assert twice == pytest.approx(metric.value(judged), abs=1e-13)
