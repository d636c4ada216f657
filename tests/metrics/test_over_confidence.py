"""Over- and underconfidence: the two parts of ECE."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from metric_cases import binary, simulated
from tied_cases import check_floor_of_the_labels, check_order, check_resampled, tied_cases

from calibench.metrics.bootstrap import multiplicities
from calibench.metrics.ece import ECE
from calibench.metrics.load import load_metrics
from calibench.metrics.over_confidence import OverConfidence
from calibench.metrics.under_confidence import UnderConfidence


def parts_by_loops(judged, bins):
    over = under = 0.0
    for b in range(bins):
        inside = [i for i, p in enumerate(judged.confidence) if b / bins < p <= (b + 1) / bins]
        gap = math.fsum(judged.confidence[i] - judged.correct[i] for i in inside)
        over, under = over + max(gap, 0), under + max(-gap, 0)
    return over / judged.n, under / judged.n


@pytest.mark.parametrize("bins", [1, 10, 15])
@pytest.mark.parametrize(("n", "k"), [(1, 2), (7, 3), (400, 5)])
def test_they_equal_their_definitions_and_add_up_to_ece(n, k, bins):
    judged = simulated(n, k, seed=n + bins)
    over, under = OverConfidence(bins).value(judged), UnderConfidence(bins).value(judged)
    assert (over, under) == pytest.approx(parts_by_loops(judged, bins), abs=1e-14)
    assert over + under == pytest.approx(ECE(bins).value(judged), abs=1e-15)


@pytest.mark.slow
@given(case=tied_cases())
@settings(max_examples=60, deadline=None)
def test_sums_resamples_orders_and_floors_of_tied_samples(case):
    judged, weights = case
    for metric in (OverConfidence(), UnderConfidence(), OverConfidence(2), UnderConfidence(1)):
        check_resampled(metric, judged, weights)
        check_order(metric, judged)
        check_floor_of_the_labels(metric, judged)
    total = OverConfidence().resampled(judged, weights) + UnderConfidence().resampled(judged, weights)
    np.testing.assert_allclose(total, ECE().resampled(judged, weights), rtol=0, atol=1e-15)


def test_they_add_up_in_every_resample_of_many_samples():
    judged, weights = simulated(700, 6, seed=1), next(multiplicities(700, 50, seed=3))
    total = OverConfidence().resampled(judged, weights) + UnderConfidence().resampled(judged, weights)
    np.testing.assert_allclose(total, ECE().resampled(judged, weights), rtol=0, atol=1e-15)


def test_one_sign_alone():
    wrong, right = binary([1.0, 0.8], [0, 0]), binary([0.6, 0.6], [1, 1])
    assert (OverConfidence().value(wrong), UnderConfidence().value(wrong)) == (pytest.approx(0.9), 0)
    assert (OverConfidence().value(right), UnderConfidence().value(right)) == (0, pytest.approx(0.4))
    assert OverConfidence().value(binary([1.0], [1])) == 0


def test_the_number_of_bins_is_a_parameter():
    ((name, (spec, metric)),) = load_metrics("over_confidence:bins=20").items()
    assert (name, metric.bins, spec.rankable) == ("over_confidence:bins=20", 20, False)
