"""judge(): all metrics of the plugin together, as a record stores them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from calibench.errors import InputError, RunError
from calibench.evaluation.judge import judge
from calibench.metrics.bootstrap import Sampling
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Metric
from calibench.metrics.plugin import calibench_metrics
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs
from calibench.plugins.specs import MetricSpec

ALWAYS = ["accuracy", "nll", "brier", "ece15", "ece10", "mce15", "ece_equal_mass15", "classwise_ece15", "aurc"]
WITH_DECISIONS = ["coverage", "selective_risk"]
WITH_SETS_AND_COSTS = ["set_coverage", "set_size", "mean_cost"]
BINNED = ["ece15", "ece10", "mce15", "ece_equal_mass15", "classwise_ece15"]


@pytest.fixture(scope="module")
def metrics():
    """The metrics that are named above and those of several or soft labels; every other metric has tests of its own."""
    names = {*ALWAYS, *WITH_DECISIONS, *WITH_SETS_AND_COSTS, "exact_match", "macro_f1", "soft_nll", "soft_brier"}
    return {spec.name: (spec, spec.load()(**spec.options)) for spec in calibench_metrics() if spec.name in names}


@pytest.fixture
def judged(samples):
    """`judged(n, k, seed)`: random outputs; with `decide` also decisions, with `full` also sets, costs and a target."""

    def build(n, k, seed=0, *, decide=False, full=False):
        logits, labels = samples(n, k, seed)
        decisions = None
        if decide or full:
            decisions = np.where(logits.max(axis=1) > 2, logits.argmax(axis=1), -1)
        if full:
            sets, costs = torch.tensor(logits > 1), torch.arange(k * (k + 1.0)).reshape(k, k + 1)
            decisions = Decisions(torch.tensor(decisions), sets=sets, costs=costs, targets={"set_coverage": 0.9})
        return Judged(Outputs(torch.tensor(logits)), torch.tensor(labels), decisions)

    return build


def json_part(judgement):
    """All of a judgement but its replicates and its verdict."""
    return {key: value for key, value in vars(judgement).items() if key not in ("replicates", "verdict")}


def test_a_judgement_holds_every_figure_with_interval_floor_and_replicates(judged, metrics):
    samples = judged(300, 5, full=True)
    judgement = judge(samples, metrics, Sampling(seed=3))
    names = ALWAYS + WITH_DECISIONS + WITH_SETS_AND_COSTS
    assert list(judgement.metrics) == list(judgement.intervals) == list(judgement.replicates) == names
    methods = judgement.bootstrap["methods"]
    for name in names:
        assert judgement.metrics[name] == metrics[name][1].value(samples)
        assert (judgement.replicates[name].shape, judgement.replicates[name].dtype) == ((1000,), np.float64)
        assert (judgement.intervals[name] is None) == (name in judgement.no_interval) == (name == "mce15"), name
        if name != "mce15":
            low, high = judgement.intervals[name]
            assert low < high
            assert low <= judgement.metrics[name]
            assert judgement.metrics[name] <= high or methods[name] == "inversion", name
    assert methods["accuracy"] == "mean"
    assert methods["ece15"] == "inversion"
    assert methods["aurc"] == "resamples"
    assert sorted(judgement.noise_floor) == judgement.bootstrap["bias_corrected"] == sorted(BINNED)
    assert all(0 < floor["mean"] < floor["p95"] for floor in judgement.noise_floor.values())
    assert judgement.bootstrap["level"] == 0.95
    assert (judgement.bootstrap["resamples"], judgement.bootstrap["seed"]) == (1000, 3)
    with_details = {"nll", "brier", "mce15", "aurc", *WITH_DECISIONS, *WITH_SETS_AND_COSTS}
    assert set(judgement.details) == with_details
    json.dumps(json_part(judgement), allow_nan=False)


def test_figures_are_left_out_if_there_is_nothing_to_judge(judged, metrics):
    assert list(judge(judged(50, 3), metrics).metrics) == ALWAYS
    assert list(judge(judged(50, 3, decide=True), metrics).metrics) == ALWAYS + WITH_DECISIONS


def test_undefined_figures_are_none_and_the_record_stays_json(judged, metrics):
    samples = judged(20, 3)
    judgement = judge(Judged(samples.outputs, torch.tensor(samples.labels), np.full(20, -1)), metrics)
    assert judgement.metrics["selective_risk"] is None
    assert judgement.intervals["selective_risk"] is None
    assert np.isnan(judgement.replicates["selective_risk"]).all()
    assert judgement.bootstrap["undefined"] == {"selective_risk": 1000}
    assert judgement.metrics["coverage"] == 0
    json.dumps(json_part(judgement), allow_nan=False)


def test_one_sample_has_no_interval(metrics):
    judged = Judged(Outputs(torch.tensor([[2.0, 0.0, 1.0]])), torch.tensor([0]), np.array([0]))
    judgement = judge(judged, metrics)
    assert [name for name, interval in judgement.intervals.items() if interval] == ["accuracy", "coverage"]
    assert judgement.no_interval["ece15"] == "of 1 predictions 0 are wrong, and an interval needs 10"
    assert judgement.metrics["ece15"] == pytest.approx(1 - judged.confidence[0])
    json.dumps(json_part(judgement), allow_nan=False)


@pytest.mark.slow
def test_the_number_of_threads_changes_no_bit(judged, metrics):
    def bits():
        judgement = judge(judged(2000, 30, full=True), metrics)
        figures = {name: value.hex() for name, value in judgement.metrics.items()}
        replicates = {name: values.tobytes() for name, values in judgement.replicates.items()}
        return figures, judgement.intervals, judgement.noise_floor, judgement.details, replicates

    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            with threadpool_limits(limits=threads):
                results.append(bits())
    finally:
        torch.set_num_threads(before)
    assert results[0] == results[1]


def test_a_seed_fixes_the_judgement_and_another_seed_changes_the_intervals(judged, metrics):
    first, again = (judge(judged(60, 3), metrics, Sampling(seed=1)) for _ in range(2))
    assert json_part(first) == json_part(again)
    other_seed = judge(judged(60, 3), metrics, Sampling(seed=2))
    assert other_seed.metrics == first.metrics
    assert other_seed.intervals != first.intervals


class Overconfidence(Metric):
    """The example of the hook's docstring: `value` alone."""

    def value(self, judged):
        return float(judged.confidence.mean() - judged.correct.mean())


class Broken(Metric):
    def value(self, judged):
        return judged.no_such_thing


class LateBroken(Overconfidence):
    """Fails in one method other than `value`."""

    def __init__(self, method):
        setattr(self, method, lambda *_: 1 / 0)

    def floor_draws(self, judged, correct, labels):
        return None


class Infinite(Metric):
    def value(self, judged):
        return math.inf

    def details(self, judged):
        return {"why": [1.0, math.nan]}


def spec_of(name):
    return MetricSpec(name=name, summary="A test.", target="tests:Nothing")


def test_a_plugin_metric_needs_only_value(judged):
    judgement = judge(judged(80, 3), {"over": (spec_of("over"), Overconfidence())})
    low, high = judgement.intervals["over"]
    assert low < judgement.metrics["over"] < high
    assert judgement.noise_floor == {}
    assert judgement.bootstrap["bias_corrected"] == []
    assert judgement.details == {}


def test_a_metric_that_fails_is_named(judged):
    with pytest.raises(RunError, match=r"metric 'broken' failed: AttributeError"):
        judge(judged(30, 3), {"broken": (spec_of("broken"), Broken())})
    for method in ("details", "resampled", "floor_draws"):
        with pytest.raises(RunError, match=r"metric 'late' failed: ZeroDivisionError"):
            judge(judged(30, 3), {"late": (spec_of("late"), LateBroken(method))})


def test_an_infinite_figure_is_undefined(judged):
    judgement = judge(judged(30, 3), {"infinite": (spec_of("infinite"), Infinite())})
    assert judgement.metrics == {"infinite": None}
    assert judgement.intervals == {"infinite": None}
    assert judgement.details == {"infinite": {"why": [1.0, None]}}


def test_too_few_resamples_are_refused(judged, metrics):
    with pytest.raises(InputError, match="999"):
        judge(judged(10, 2), metrics, Sampling(999))


def test_no_resamples_give_figures_alone(judged, metrics):
    samples = judged(300, 5, full=True)
    alone, whole = judge(samples, metrics, Sampling(0)), judge(samples, metrics, Sampling())
    assert (alone.metrics, alone.details) == (whole.metrics, whole.details)
    assert set(alone.intervals.values()) == {None}
    assert (alone.noise_floor, alone.no_interval, alone.replicates) == ({}, {}, {})
    assert (alone.verdict.calibrated, alone.verdict.findings) == ("not_tested", [])
    assert (alone.bootstrap["resamples"], alone.bootstrap["methods"]) == (0, {})
    json.dumps(json_part(alone), allow_nan=False)


def test_judging_reports_how_far_it_is(judged, metrics):
    heard = []
    judge(judged(300, 5), metrics, Sampling(), lambda what, done, total, note: heard.append((what, done, total)))
    assert heard[-1] == ("labels of a calibrated model", 1000, 1000)
    assert ("resamples", 1000, 1000) in heard
