"""ACE and TACE against their definitions as loops."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from metric_cases import binary, from_table, simulated
from tied_cases import check_floor_of_the_labels, check_order, check_resampled, tied_cases

from calibench.errors import CalibenchError
from calibench.metrics.ace import ACE
from calibench.metrics.bootstrap import multiplicities
from calibench.metrics.class_ranges import range_ends
from calibench.metrics.ece_equal_mass import EqualMassECE
from calibench.metrics.equal_mass import range_gap_sums, tie_starts
from calibench.metrics.load import load_metrics
from calibench.metrics.noise_floor import noise_floor
from calibench.metrics.tace import TACE


def ace_by_loops(judged, ranges, threshold=-1.0, *, ties=True):
    """Each class sorted and split by `numpy.array_split`, with the mean label of its tie in place of each label."""
    errors, found = [], False
    for k in range(judged.num_classes):
        kept = [i for i in range(judged.n) if judged.probs[i, k] > threshold]
        p = judged.probs[kept, k]
        label = (judged.labels[kept] == k).astype(float)
        shared = np.array([label[p == value].mean() for value in p]) if ties else label
        order = np.argsort(p)
        groups = [g for g in np.array_split(order, ranges) if len(g)]
        errors.append(sum(abs(math.fsum(p[g] - shared[g])) / len(g) for g in groups) / len(groups) if groups else 0.0)
        found |= bool(groups)
    return math.fsum(errors) / judged.num_classes if found else math.nan


@pytest.mark.parametrize("ranges", [1, 4, 15])
@pytest.mark.parametrize(("n", "k"), [(1, 2), (7, 3), (400, 5), (1000, 2)])
def test_they_equal_their_definitions(n, k, ranges):
    judged = simulated(n, k, seed=n + ranges)
    assert ACE(ranges).value(judged) == pytest.approx(ace_by_loops(judged, ranges), abs=1e-13)
    for threshold in (0.0, 0.01, 0.3):
        expected = ace_by_loops(judged, ranges, threshold)
        assert TACE(ranges, threshold).value(judged) == pytest.approx(expected, abs=1e-13)


METRICS = [ACE(15), ACE(4), ACE(1), TACE(15), TACE(3, 0.4)]


@pytest.mark.slow
@given(case=tied_cases())
@settings(max_examples=60, deadline=None)
def test_definitions_resamples_orders_and_floors_of_tied_samples(case):
    judged, weights = case
    for metric in METRICS:
        expected = ace_by_loops(judged, metric.bins, -1.0 if metric.threshold is None else metric.threshold)
        assert metric.value(judged) == pytest.approx(expected, abs=1e-13, nan_ok=True)
        check_resampled(metric, judged, weights)
        check_order(metric, judged)
        check_floor_of_the_labels(metric, judged)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: f"{type(m).__name__}{m.bins}")
def test_resamples_and_floor_of_many_samples(metric):
    judged = simulated(700, 6, seed=1)
    check_resampled(metric, judged, next(multiplicities(700, 5, seed=3)))
    check_floor_of_the_labels(metric, judged)


def test_the_order_of_the_file_does_not_decide_where_probabilities_are_equal():
    judged = from_table([[0.5, 0.5]] * 100, [0] * 50 + [1] * 50)
    assert ACE().value(judged) == pytest.approx(0, abs=1e-15)


def test_fewer_samples_than_ranges_have_a_range_each():
    judged = from_table([[0.9, 0.1]], [0])
    assert ACE(15).value(judged) == pytest.approx(0.1)
    assert ACE(15).value(from_table([[1.0, 0.0]], [0])) == 0
    assert ACE(15).value(from_table([[1.0, 0.0]], [1])) == 1


def test_of_two_classes_one_range_is_the_equal_mass_error_of_the_first():
    judged = binary([0.7, 0.8, 0.9, 0.6], [1, 1, 0, 0])
    assert ACE(1).value(judged) == pytest.approx(EqualMassECE(1).value(judged))


def test_an_absent_class_counts_in_the_mean():
    judged = from_table([[0.8, 0.2, 0.0], [0.8, 0.2, 0.0]], [0, 0])
    assert ACE(1).value(judged) == pytest.approx((0.2 + 0.2 + 0.0) / 3)
    assert TACE(1).value(judged) == pytest.approx((0.2 + 0.2 + 0.0) / 3)
    assert TACE(1, 0.3).value(judged) == pytest.approx(0.2 / 3)
    assert TACE(1, 0.3).details(judged) == {"above_threshold": 1 / 3}


def test_tace_is_undefined_if_no_probability_is_above_the_threshold():
    judged = from_table([[0.5, 0.5]], [0])
    assert math.isnan(TACE(15, 0.5).value(judged))
    assert noise_floor(judged, {"tace": TACE(15, 0.5)}, draws=5) == {}


def test_the_floor_of_a_calibrated_model_is_near_its_figure():
    rng = np.random.default_rng(2)
    probs = rng.dirichlet(np.ones(4), size=800)
    labels = [int(rng.choice(4, p=row)) for row in probs]
    judged = from_table(probs.tolist(), labels)
    floor = noise_floor(judged, {"ace": ACE(), "tace": TACE()}, draws=200)
    for metric, name in ((ACE(), "ace"), (TACE(), "tace")):
        assert 0.5 * floor[name]["mean"] < metric.value(judged) < 1.3 * floor[name]["p95"]


def test_bins_and_threshold_are_written_with_the_name():
    ((name, (_, metric)),) = load_metrics("tace:bins=20,threshold=0.05").items()
    assert (name, metric.bins, metric.threshold) == ("tace20:threshold=0.05", 20, 0.05)
    assert [metric.bins for _, metric in load_metrics("ace,ace10,tace15").values()] == [15, 10, 15]
    with pytest.raises(CalibenchError, match="threshold"):
        load_metrics("tace:threshold=2")


@pytest.mark.parametrize("whole", [False, True])
def test_sums_by_blocks_equal_running_sums(whole):
    """Long arrays, with samples of weight 0 and with runs of equal values that are longer than a block."""
    rng = np.random.default_rng(int(whole))
    values = np.sort(rng.integers(3, size=20_000) if whole else rng.random(20_000))
    gap, weight = rng.normal(size=20_000), rng.poisson(1, size=20_000).astype(np.float64)
    weight[:300] = weight[-300:] = weight[5000:5600] = 0
    starts = tie_starts(values)
    for ends in (range_ends(int(weight.sum()), 15), range_ends(int(weight.sum()), 3)):
        rank, tie = np.repeat(np.arange(20_000), weight.astype(int)), np.repeat(values, weight.astype(int))
        shared = gap[rank]
        if whole:
            means = {value: shared[tie == value].mean() for value in np.unique(tie)}
            shared = np.array([means[value] for value in tie])
        expected = [math.fsum(shared[low:high]) for low, high in pairwise(ends)]
        np.testing.assert_allclose(range_gap_sums(weight, gap, starts, ends), expected, rtol=0, atol=1e-10)


def test_many_samples():
    judged = simulated(20_000, 3, seed=5)
    assert ACE().value(judged) == pytest.approx(ace_by_loops(judged, 15, ties=False), abs=1e-13)
    check_resampled(ACE(), judged, next(multiplicities(20_000, 2, seed=3)))
    check_floor_of_the_labels(ACE(), judged)
