"""Intervals of population values: methods by metric, means against other implementations, coverage of inverted tests."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from calibench.evaluation.judge import judge
from calibench.metrics.bootstrap import Replicates, Sampling
from calibench.metrics.intervals import bias_corrected_interval, intervals, method_of
from calibench.metrics.judged import Judged
from calibench.metrics.load import load_metrics
from calibench.metrics.mean_interval import mean_interval, share_interval
from calibench.metrics.no_interval import NoInterval
from calibench.outputs.outputs import Outputs
from calibench.student import student_quantile

GAPS = "ece15,ece_debiased15,classwise_ece15,ece_equal_mass15,smece,ks,kuiper,rms_ce"


def sample(rng, n, classes, sharpen=1.0):
    """Logits times `sharpen` of a model that was calibrated before."""
    z = torch.tensor(rng.normal(size=(n, classes)) * 2)
    labels = torch.multinomial(z.softmax(1), 1, generator=torch.Generator().manual_seed(int(rng.integers(2**31))))[:, 0]
    return Judged(Outputs(z * sharpen), labels)


def bounds(judged, names=GAPS, **sampling):
    metrics = {name: metric for name, (_, metric) in load_metrics(names).items()}
    estimates = {name: metric.value(judged) for name, metric in metrics.items()}
    none = dict.fromkeys(metrics, Replicates(np.array([]), 0))
    return intervals(judged, metrics, estimates, none, Sampling(**sampling))


def test_every_metric_without_a_method_says_that_it_has_no_interval():
    for name, (spec, metric) in load_metrics("all").items():
        assert (method_of(metric) is None) == spec.estimand.startswith("none"), name


# --- means ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.booleans(), min_size=1, max_size=80), st.floats(0.5, 0.999))
@settings(max_examples=50, deadline=None)
def test_shares_get_the_interval_of_wilson(values, level):
    theirs = stats.binomtest(sum(values), len(values)).proportion_ci(level, method="wilson")
    assert share_interval(np.array(values, dtype=float), level) == pytest.approx([theirs.low, theirs.high], abs=1e-9)


def test_a_loss_of_hard_predictions_is_no_share():
    hard = Judged(Outputs(torch.eye(2)[torch.tensor([0] * 30)], True), torch.tensor([0] * 29 + [1]))
    found = bounds(hard, "accuracy,brier")
    assert found["accuracy"][1] < 1
    assert found["brier"] != found["accuracy"]
    right = bounds(Judged(hard.outputs, torch.tensor([0] * 30)), "nll,brier,accuracy")
    assert right["nll"] == right["brier"] == NoInterval("all samples have the same value")
    assert right["accuracy"][0] < 0.9


def test_other_means_get_the_interval_of_hall():
    x = np.random.default_rng(0).exponential(size=60)
    n, skewness = len(x), stats.skew(x)
    z = stats.t.ppf(0.975, n - 1)

    def transformed(t):
        return t + skewness / (3 * math.sqrt(n)) * t**2 + skewness**2 / (27 * n) * t**3 + skewness / (6 * math.sqrt(n))

    upper, lower = (optimize.brentq(lambda t, z=z: transformed(t) - z, -50, 50) for z in (z, -z))
    error = x.std(ddof=1) / math.sqrt(n)
    expected = [x.mean() - error * upper, x.mean() - error * lower]
    assert mean_interval(x, 0.95) == pytest.approx(expected, rel=1e-4)  # Student's quantile is a sum on a grid
    symmetric = np.concatenate([x, -x])
    middle = student_quantile(2 * n - 1) * symmetric.std(ddof=1) / math.sqrt(2 * n)
    assert mean_interval(symmetric, 0.95) == pytest.approx([-middle, middle], rel=1e-12)


@pytest.mark.parametrize(("name", "least", "most"), [("brier", 0.0, 2.0), ("nll", 0.0, math.inf)])
def test_a_bound_outside_the_range_of_the_figure_is_moved_to_its_end(name, least, most):
    moved = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 2, size=40)
        wrong = rng.random(40) < (0.05 if seed % 2 else 0.97)  # nearly all right, or nearly all wrong
        logits = np.where(np.arange(2) == (labels ^ wrong)[:, None], 8.0, 0.0) + rng.normal(0, 0.1, size=(40, 2))
        judged = Judged(Outputs(torch.from_numpy(logits)), labels)
        metric = load_metrics(name)[name][1]
        values = metric.per_sample(judged)
        free = mean_interval(values, 0.95)
        found = intervals(judged, {name: metric}, {name: float(values.mean())}, {}, Sampling())[name]
        assert found == [max(free[0], least), min(free[1], most)]
        assert least <= found[0] <= values.mean() <= found[1] <= most
        moved += found != free
    assert moved > 2


def test_a_share_of_several_labels_stays_within_0_and_1():
    metric = load_metrics("accuracy")["accuracy"][1]
    assert metric.in_range([-0.1, 1.1]) == [0.0, 1.0]
    reason = NoInterval("too few")
    assert metric.in_range(reason) is reason


def test_means_without_spread_and_of_too_few_samples():
    assert mean_interval(np.full(50, 0.3), 0.95) == NoInterval("all samples have the same value")
    assert mean_interval(np.arange(19.0), 0.95) == NoInterval("19 samples are too few: 20 are needed")


@pytest.mark.parametrize(("freedom", "level"), [(1, 0.5), (3, 0.95), (199, 0.99)])
def test_quantiles_of_student(freedom, level):
    assert student_quantile(freedom, level) == pytest.approx(stats.t.ppf((1 + level) / 2, freedom), rel=1e-4)


# --- resamples ------------------------------------------------------------------------------------------------------


def test_percentiles_move_with_the_median():
    values = np.random.default_rng(1).normal(size=20_001)
    centred = bias_corrected_interval(values, float(np.median(values)), 0.95, 10**6)
    assert centred == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=1e-3)
    moved = bias_corrected_interval(values, 0.5, 0.95, 10**6)
    share = (values < 0.5).mean()
    shift = 2 * stats.norm.ppf(share)
    assert moved == pytest.approx(np.quantile(values, stats.norm.cdf([shift - 1.96, shift + 1.96])), abs=2e-3)
    few = bias_corrected_interval(values, 0.0, 0.95, 10)
    assert few[1] - few[0] > 1.15 * (centred[1] - centred[0])
    assert isinstance(bias_corrected_interval(np.full(9, np.nan), 0.0, 0.95, 10), NoInterval)
    assert isinstance(bias_corrected_interval(np.zeros(9), 0.0, 0.95, 10), NoInterval)


# --- inverted tests -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "sharpen"), [(2, 1.0), (10, 1.0), (10, 1.5), (3, 2.0)])
def test_calibration_errors_cover_the_population_value(classes, sharpen):
    """Coverage by 60 samples: fewer than 51 would be covered by chance once in 10 000 times, were it 95 %."""
    rng = np.random.default_rng(classes)
    names = "ece15,ece_debiased15,classwise_ece15"
    million = sample(np.random.default_rng(9), 200_000, classes, sharpen)
    value = {name: metric.value(million) for name, (_, metric) in load_metrics(names).items()}
    if sharpen == 1:
        value = dict.fromkeys(value, 0.0)
    found = [bounds(sample(rng, 500, classes, sharpen), names) for _ in range(60)]
    for name, at in value.items():
        covered = sum(b[name][0] <= at <= b[name][1] for b in found)
        assert covered >= 51, (name, covered)


@pytest.mark.slow
def test_the_interval_of_a_calibrated_model_starts_at_0_and_of_a_bad_one_above():
    rng = np.random.default_rng(3)
    good, bad = bounds(sample(rng, 400, 5)), bounds(sample(rng, 400, 5, 3.0))
    for name in GAPS.split(","):
        assert good[name][0] < 0.02 < bad[name][0], name
        assert good[name][1] < bad[name][1]


@pytest.mark.slow
def test_a_higher_level_gives_a_wider_interval():
    judged = sample(np.random.default_rng(4), 600, 4, 1.5)
    narrow, wide = bounds(judged, level=0.5), bounds(judged, level=0.99, resamples=1000)
    for name in GAPS.split(","):
        assert wide[name][0] < narrow[name][0] < narrow[name][1] < wide[name][1], name


@pytest.mark.slow
def test_the_order_of_samples_changes_no_interval_by_much_and_a_seed_repeats_it():
    judged = sample(np.random.default_rng(5), 500, 4, 1.3)
    shuffled = judged.take(np.random.default_rng(6).permutation(judged.n))
    first, again, other = bounds(judged), bounds(judged), bounds(shuffled)
    assert first == again
    for name in GAPS.split(","):
        assert other[name] == pytest.approx(first[name], abs=0.01), name


def test_many_samples_are_represented_by_evenly_spaced_ones(monkeypatch):
    judged = sample(np.random.default_rng(7), 4000, 5, 1.5)
    (whole,) = bounds(judged, "classwise_ece15").values()
    monkeypatch.setattr("calibench.metrics.redrawn_labels.MOST_ROWS", 1000)
    (part,) = bounds(judged, "classwise_ece15").values()
    assert part != whole
    assert part == pytest.approx(whole, abs=0.003)


def test_reasons_for_no_interval():
    rng = np.random.default_rng(8)
    labels = np.repeat(np.arange(30), 4)
    many_classes = Judged(Outputs(torch.tensor(rng.normal(size=(120, 30)))), torch.tensor(labels))
    assert bounds(many_classes, "classwise_ece15")["classwise_ece15"] == NoInterval(
        "4 samples a class are too few: 20 are needed"
    )
    right = Judged(Outputs(torch.tensor([[3.0, 0.0]] * 40)), torch.tensor([0] * 37 + [1] * 3))
    assert bounds(right, "ece15")["ece15"] == NoInterval("of 40 predictions 3 are wrong, and an interval needs 10")
    assert isinstance(bounds(right, "mce15")["mce15"], NoInterval)


def test_answers_that_are_certain_give_no_noise_to_divide_by():
    sure = Judged(Outputs(torch.tensor([[1.0, 0.0]] * 60), True), torch.tensor([0] * 40 + [1] * 20))
    for name, found in bounds(sure, "ece15,ece_debiased15,classwise_ece15,smece,ks").items():
        assert 0.1 < found[0] < 1 / 3 < found[1] < 0.6, name


def test_a_sample_alone_in_its_bin_cannot_stretch_the_interval():
    p = np.tile([0.6, 0.4], (201, 1))
    p[-1] = [0.99, 0.01]
    lone = Judged(Outputs(torch.tensor(p), True), torch.tensor([0] * 120 + [1] * 81))
    for name, found in bounds(lone, "ece15,ece_debiased15,classwise_ece15,smece,ks").items():
        assert found[0] == 0, name
        assert 0.01 < found[1] < 0.2, name


@pytest.mark.parametrize("classes", [4, 10])
def test_hard_predictions_say_nothing_of_the_other_classes(classes):
    """Labels that are wrong cannot be redrawn, so the class-wise error has no interval, and that of the top label has one."""
    rng = np.random.default_rng(classes)
    predicted = rng.integers(classes, size=500)
    labels = np.where(rng.random(500) < 0.1, (predicted + 1) % classes, predicted)
    found = bounds(Judged(Outputs(torch.eye(classes)[torch.tensor(predicted)], True), torch.tensor(labels)))
    assert found["ece15"][0] < 0.1 < found["ece15"][1]
    assert "close to 0 and 1" in found["classwise_ece15"].reason


def test_equal_confidences_in_several_groups_have_no_population_value():
    flat = Judged(Outputs(torch.tensor([[0.7, 0.3]] * 90), True), torch.tensor([0] * 60 + [1] * 30))
    assert "order of the samples" in bounds(flat, "ece_equal_mass15")["ece_equal_mass15"].reason


def test_a_judgement_says_how_each_interval_was_found():
    judged = sample(np.random.default_rng(9), 300, 3)
    judgement = judge(judged, load_metrics("accuracy,nll,aurc,ece15,mce15"))
    methods = {"accuracy": "mean", "nll": "mean", "aurc": "resamples", "ece15": "inversion"}
    assert judgement.bootstrap["methods"] == methods
    assert judgement.intervals["accuracy"] == share_interval(judged.correct, 0.95)
