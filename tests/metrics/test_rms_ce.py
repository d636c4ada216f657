"""Root mean square calibration error against loops, and against the figure of the copied `calib_err`."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from metric_cases import binary, simulated
from tied_cases import check_floor_of_the_labels, check_order, check_resampled, tied_cases

from calibench.errors import CalibenchError, InputError
from calibench.metrics.bootstrap import multiplicities
from calibench.metrics.load import load_metrics
from calibench.metrics.noise_floor import noise_floor
from calibench.metrics.rms_ce import RmsCE


def by_loops(judged, size, *, last_left_out=False):
    """Bins of `size` samples in rank order; the last holds the rest. Of untied confidences."""
    order = np.argsort(judged.confidence, kind="stable")
    starts = [size * b for b in range(max(1, judged.n // size))]
    bins = [order[start:stop] for start, stop in zip(starts, [*starts[1:], judged.n], strict=True)]
    squares = [
        len(b) / judged.n * (judged.confidence[b].mean() - judged.correct[b].mean()) ** 2
        for b in (bins[:-1] if last_left_out else bins)
    ]
    return math.sqrt(math.fsum(squares))


@pytest.mark.parametrize("size", [1, 7, 100])
@pytest.mark.parametrize("n", [1, 99, 100, 250, 1000])
def test_equal_mass_equals_its_definition(n, size):
    judged = simulated(n, 4, seed=n + size)
    assert RmsCE(size=size).value(judged) == pytest.approx(by_loops(judged, size), abs=1e-13)
    if n >= size:
        expected = by_loops(judged, size, last_left_out=True)
        assert RmsCE(size=size, like="hle").value(judged) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("number", [1, 10, 15])
def test_equal_width_equals_its_definition_and_torchmetrics(number):
    judged = simulated(600, 4, seed=number)
    squares = []
    for b in range(number):
        inside = (judged.confidence > b / number) & (judged.confidence <= (b + 1) / number)
        if inside.any():
            squares.append(inside.mean() * (judged.confidence[inside].mean() - judged.correct[inside].mean()) ** 2)
    metric = RmsCE(bins="width", number=number)
    assert metric.value(judged) == pytest.approx(math.sqrt(math.fsum(squares)), abs=1e-13)
    functional = pytest.importorskip("torchmetrics.functional.classification")
    probs, labels = torch.tensor(judged.probs), torch.tensor(judged.labels)
    theirs = functional.multiclass_calibration_error(probs, labels, num_classes=4, n_bins=number, norm="l2")
    assert metric.value(judged) == pytest.approx(float(theirs), abs=1e-5)


def test_hle_leaves_out_the_most_confident_bin():
    """200 samples at 0.6, half right; then 100 at 0.99, all wrong: the copied code does not see the last."""
    judged = binary([0.6] * 200 + [0.99] * 100, [1, 0] * 100 + [0] * 100)
    assert RmsCE().value(judged) == pytest.approx(math.sqrt((2 * 0.1**2 + 0.99**2) / 3))
    assert RmsCE(like="hle").value(judged) == pytest.approx(math.sqrt(2 * 0.1**2 / 3))


def test_hle_of_one_bin_is_0_and_of_fewer_samples_undefined():
    wrong = binary([0.99] * 199, [0] * 199)
    assert RmsCE().value(wrong) == pytest.approx(0.99)
    assert RmsCE(like="hle").value(wrong) == 0
    few = binary([0.99] * 99, [0] * 99)
    assert RmsCE().value(few) == pytest.approx(0.99)
    assert math.isnan(RmsCE(like="hle").value(few))
    assert noise_floor(few, {"hle": RmsCE(like="hle")}, draws=5) == {}


def test_equal_confidences_share_their_answers_and_hle_keeps_the_order_of_the_file():
    judged = binary([0.5] * 20, [1] * 10 + [0] * 10)
    assert RmsCE(size=10).value(judged) == pytest.approx(0, abs=1e-15)
    assert RmsCE(size=10, like="hle").value(judged) == pytest.approx(math.sqrt(0.5 * 0.5**2))


METRICS = [RmsCE(), RmsCE(size=2), RmsCE(size=3), RmsCE(bins="width"), RmsCE(bins="width", number=3)]


@pytest.mark.slow
@given(case=tied_cases())
@settings(max_examples=60, deadline=None)
def test_resamples_orders_and_floors_of_tied_samples(case):
    judged, weights = case
    for metric in METRICS:
        check_resampled(metric, judged, weights)
        check_order(metric, judged)
        check_floor_of_the_labels(metric, judged)
    for hle in (RmsCE(size=1, like="hle"), RmsCE(size=3, like="hle")):
        check_resampled(hle, judged, weights)
        check_floor_of_the_labels(hle, judged)


def test_resamples_of_many_samples():
    judged, weights = simulated(700, 6, seed=1), next(multiplicities(700, 5, seed=3))
    for metric in (*METRICS, RmsCE(like="hle")):
        check_resampled(metric, judged, weights)


@pytest.mark.parametrize("bins", ["mass", "width"])
def test_confidence_1_of_one_sample(bins):
    assert RmsCE(bins=bins).value(binary([1.0], [1])) == 0
    assert RmsCE(bins=bins).value(binary([1.0], [0])) == 1


def test_parameters_are_read_from_the_name():
    metrics = load_metrics("brier,rms_ce:bins=mass,size=50,like=hle,ece15")
    assert list(metrics) == ["brier", "rms_ce:size=50,like=hle", "ece15"]
    judged = simulated(300, 4, seed=0)
    expected = RmsCE(size=50, like="hle").value(judged)
    assert metrics["rms_ce:size=50,like=hle"][1].value(judged) == expected
    with pytest.raises(CalibenchError, match="median"):
        load_metrics("rms_ce:bins=median")
    with pytest.raises(InputError, match="equal mass"):
        load_metrics("rms_ce:bins=width,like=hle")
