"""ECE, MCE, equal-mass and class-wise ECE against their definitions as plain loops, and the numbers of a reliability diagram."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import binary, from_table, simulated

from calibench.errors import InputError
from calibench.kernels import calibration_stats
from calibench.metrics.calibration_error import ece_of
from calibench.metrics.classwise_ece import ClasswiseECE
from calibench.metrics.ece import ECE
from calibench.metrics.ece_equal_mass import EqualMassECE
from calibench.metrics.mce import MCE
from calibench.metrics.reliability import reliability


def in_bin(p, b, bins):
    """(lo, hi], the first closed at 0."""
    return b / bins < p <= (b + 1) / bins or (b == 0 and p == 0)


def ece_and_mce_by_loops(p, correct, bins):
    gaps, counts = [], []
    for b in range(bins):
        inside = [i for i in range(len(p)) if in_bin(p[i], b, bins)]
        gaps.append(abs(math.fsum(p[i] - correct[i] for i in inside)))
        counts.append(len(inside))
    return math.fsum(gaps) / len(p), max(g / c for g, c in zip(gaps, counts, strict=True) if c)


def classwise_ece_by_loops(judged, bins):
    classes = range(judged.num_classes)
    per_class = [ece_and_mce_by_loops(judged.probs[:, k], judged.labels == k, bins)[0] for k in classes]
    return float(np.mean(per_class))


def equal_mass_by_split(p, correct, bins):
    order = np.lexsort((np.arange(len(p)), p))
    return sum(abs(math.fsum(p[g] - correct[g])) for g in np.array_split(order, bins)) / len(p)


@pytest.mark.parametrize("bins", [1, 2, 10, 15, 100])
@pytest.mark.parametrize(("n", "k"), [(1, 2), (7, 3), (400, 5)])
@pytest.mark.parametrize("from_probs", [False, True])
def test_binned_errors_equal_their_definitions(n, k, bins, from_probs):
    judged = simulated(n, k, seed=n + bins, from_probs=from_probs)
    p, correct = judged.confidence, judged.correct
    ece, mce = ece_and_mce_by_loops(p, correct, bins)
    assert ECE(bins).value(judged) == pytest.approx(ece, abs=1e-13)
    assert MCE(bins).value(judged) == pytest.approx(mce, abs=1e-13)
    assert EqualMassECE(bins).value(judged) == pytest.approx(equal_mass_by_split(p, correct, bins), abs=1e-13)
    assert ClasswiseECE(bins).value(judged) == pytest.approx(classwise_ece_by_loops(judged, bins), abs=1e-13)


def test_a_confidence_on_an_edge_is_in_the_lower_bin_and_1_in_the_last():
    judged = binary([0.5, 0.6, 2 / 3, 0.7, 1.0], [1, 1, 1, 1, 1])
    assert judged.bin_index(10).tolist() == [4, 5, 6, 6, 9]
    assert judged.bin_index(15).tolist() == [7, 8, 9, 10, 14]
    assert judged.bin_index(1).tolist() == [0] * 5
    stats = judged.stats(10)
    assert stats.count.tolist() == [0, 0, 0, 0, 1, 1, 2, 0, 0, 1]
    assert stats.confidence_sum[6] == 2 / 3 + 0.7
    assert (stats.n, stats.correct) == (5, 5)


def test_class_probabilities_of_0_and_on_an_edge():
    probs = [[0.0, 0.2, 0.8], [0.4, 0.6, 0.0], [1.0, 0.0, 0.0], [0.2, 0.2, 0.6]]
    judged = from_table(probs, [2, 1, 0, 1])
    assert ClasswiseECE(5).value(judged) == pytest.approx(classwise_ece_by_loops(judged, 5), abs=1e-15)


def test_equal_mass_ece_of_fewer_samples_than_groups():
    judged = binary([0.6, 0.9, 0.7], [0, 1, 1])
    assert EqualMassECE(15).value(judged) == pytest.approx((0.6 + 0.1 + 0.3) / 3)


def test_mce_records_its_bin_and_count():
    judged = binary([0.55, 0.56, 0.95, 0.96, 0.97], [1, 0, 1, 1, 0])
    assert MCE(10).value(judged) == pytest.approx(2.88 / 3 - 2 / 3)
    assert MCE(10).details(judged) == {"bin": 9, "count": 3}
    assert MCE(10).details(binary([0.55], [1])) == {"bin": 5, "count": 1}
    assert MCE(10).details(binary([1.0], [1])) == {"bin": 9, "count": 1}


def test_overconfidence_in_every_bin_makes_every_binned_error_confidence_minus_accuracy():
    rng = np.random.default_rng(5)
    confidence = rng.uniform(0.5, 1, size=4000)
    judged = binary(confidence, rng.random(4000) < 0.6 * confidence)
    expected = judged.confidence.mean() - judged.correct.mean()
    for metric in (ECE(10), ECE(15), EqualMassECE(15)):
        assert metric.value(judged) == pytest.approx(expected, abs=1e-13)


@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(2, 5), st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_ece_is_at_most_mce(seed, n, k, bins):
    judged = simulated(n, k, seed)
    assert ECE(bins).value(judged) <= MCE(bins).value(judged) + 1e-15


@pytest.mark.parametrize("bins", [0, -1, 2.5, True])
def test_a_bad_number_of_bins_is_refused(bins):
    with pytest.raises(InputError, match="not a number of bins"):
        ECE(bins)


def test_ece_of_bin_sums():
    judged = simulated(300, 4, seed=8)
    assert ece_of(judged.stats(15)) == ECE(15).value(judged)
    nothing = calibration_stats(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
    assert math.isnan(ece_of(nothing))


def test_reliability_holds_the_bins_of_ece_with_wilson_intervals():
    stats = pytest.importorskip("scipy.stats")
    judged = simulated(500, 3, seed=6)
    rows = reliability(judged, 15)
    assert [row.lo for row in rows[1:]] == [row.hi for row in rows[:-1]]
    assert (rows[0].lo, rows[-1].hi, sum(row.count for row in rows)) == (0, 1, 500)
    filled = [row for row in rows if row.count]
    total = sum(row.count * abs(row.confidence - row.accuracy) for row in filled) / 500
    assert total == pytest.approx(ECE(15).value(judged), abs=1e-13)
    for row in filled:
        theirs = stats.binomtest(round(row.accuracy * row.count), row.count).proportion_ci(0.95, method="wilson")
        assert row.accuracy_interval == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    empty = [row for row in rows if not row.count]
    assert empty
    assert all((row.confidence, row.accuracy, row.accuracy_interval) == (None, None, None) for row in empty)
