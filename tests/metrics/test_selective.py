"""Coverage and selective risk."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from metric_cases import from_table, simulated

from calibench.errors import InputError
from calibench.metrics.coverage import Coverage
from calibench.metrics.judged import Judged
from calibench.metrics.selective_risk import SelectiveRisk
from calibench.outputs.outputs import Outputs


def test_selective_figures_judge_the_decision_not_the_prediction():
    judged = from_table([[0.9, 0.1, 0.0]] * 5, [0, 0, 1, 0, 1], np.array([0, -1, 1, 1, -1]))
    assert Coverage().value(judged) == pytest.approx(3 / 5)
    assert SelectiveRisk().value(judged) == pytest.approx(1 / 3)
    assert Coverage().details(judged) == {"abstention_per_class": [pytest.approx(1 / 3), 0.5, None]}


def test_a_rule_that_always_abstains_has_coverage_0_and_no_selective_risk():
    judged = from_table([[0.9, 0.1]] * 2, [0, 1], np.array([-1, -1]))
    assert Coverage().value(judged) == 0
    assert math.isnan(SelectiveRisk().value(judged))


def test_selective_figures_need_decisions():
    with pytest.raises(InputError, match="need decisions"):
        Coverage().value(simulated(3, 2, seed=0))


def test_selective_risk_is_nan_in_resamples_that_accept_nothing():
    judged = Judged(Outputs(torch.zeros(2, 2)), torch.tensor([0, 1]), np.array([-1, 1]))
    risks = SelectiveRisk().resampled(judged, np.array([[2.0, 0.0], [1.0, 1.0]]))
    assert math.isnan(risks[0])
    assert risks[1] == 0
