"""judge(): all metrics of the plugin together, and what a result record takes from them."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from calibench.errors import InputError, RunError
from calibench.evaluation.judge import judge
from calibench.metrics.judged import Judged
from calibench.metrics.metric import Metric
from calibench.metrics.plugin import calibench_metrics
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs
from calibench.plugins.specs import MetricSpec

PLAIN = [
    "accuracy",
    "nll",
    "brier",
    "ece15",
    "ece10",
    "mce15",
    "ece_equal_mass15",
    "classwise_ece15",
    "aurc",
]
OF_SEVERAL_LABELS = ["exact_match", "macro_f1"]
OF_SOFT_LABELS = ["soft_nll", "soft_brier"]
SELECTIVE = ["coverage", "selective_risk"]
OF_SOME_RULES = ["set_coverage", "set_size", "mean_cost"]


def ours():
    return {spec.name: (spec, spec.load()(**spec.options)) for spec in calibench_metrics()}


def simulated(n, k, seed, *, decide=False, dtype=torch.float32):
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    logits = rng.normal(size=(n, k)) * 1.5
    logits[np.arange(n), labels] += rng.exponential(2.0, size=n)
    decisions = np.where(logits.max(axis=1) > 2, logits.argmax(axis=1), -1) if decide else None
    if decide == "all":
        sets, costs = torch.tensor(logits > 1), torch.arange(k * (k + 1.0)).reshape(k, k + 1)
        decisions = Decisions(torch.tensor(decisions), sets=sets, costs=costs, targets={"set_coverage": 0.9})
    return Judged(Outputs(torch.tensor(logits, dtype=dtype)), torch.tensor(labels), decisions)


def plain(judgement):
    return {key: value for key, value in vars(judgement).items() if key != "replicates"}


def test_specs_are_named_and_say_what_they_are():
    specs = {spec.name: spec for spec in calibench_metrics()}
    assert list(specs) == PLAIN + OF_SEVERAL_LABELS + OF_SOFT_LABELS + SELECTIVE + OF_SOME_RULES
    assert all(spec.equation and spec.unit for spec in specs.values())
    assert {name for name, spec in specs.items() if spec.better == "higher"} == {
        "accuracy",
        "coverage",
        "set_coverage",
        *OF_SEVERAL_LABELS,
    }
    assert [name for name, spec in specs.items() if not spec.rankable] == [
        "mce15",
        "coverage",
        "set_coverage",
        "set_size",
    ]
    assert [name for name, spec in specs.items() if spec.needs_decision] == SELECTIVE + OF_SOME_RULES
    assert specs["nll"].unit == "nats"


def test_listing_the_metrics_imports_neither_torch_nor_numpy():
    code = (
        "import sys; from calibench.metrics.plugin import calibench_metrics; calibench_metrics(); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy')))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_a_judgement_holds_every_figure_with_interval_floor_and_replicates():
    judged = simulated(300, 5, seed=0, decide="all")
    found = judge(judged, ours(), seed=3)
    everything = PLAIN + SELECTIVE + OF_SOME_RULES
    assert list(found.metrics) == list(found.intervals) == list(found.replicates) == everything
    for name in everything:
        metric = ours()[name][1]
        low, high = found.intervals[name]
        assert found.metrics[name] == metric.value(judged)
        assert low <= found.metrics[name] <= high
        assert found.replicates[name].shape == (1000,)
        assert found.replicates[name].dtype == np.float64
        np.testing.assert_array_equal(np.quantile(found.replicates[name], [0.025, 0.975]), [low, high])
    binned = ["ece15", "ece10", "mce15", "ece_equal_mass15", "classwise_ece15"]
    assert sorted(found.noise_floor) == found.bootstrap["bias_corrected"] == sorted(binned)
    assert all(0 < floor["mean"] < floor["p95"] for floor in found.noise_floor.values())
    assert (found.bootstrap["method"], found.bootstrap["level"]) == ("percentile", 0.95)
    assert (found.bootstrap["resamples"], found.bootstrap["seed"]) == (1000, 3)
    assert set(found.details) == {"nll", "brier", "mce15", "aurc", *SELECTIVE, *OF_SOME_RULES}
    json.dumps(plain(found), allow_nan=False)


def test_figures_are_left_out_where_there_is_nothing_to_judge():
    assert list(judge(simulated(50, 3, seed=1), ours()).metrics) == PLAIN
    assert list(judge(simulated(50, 3, seed=1, decide=True), ours()).metrics) == PLAIN + SELECTIVE


def test_undefined_figures_are_none_and_the_record_stays_json():
    judged = simulated(20, 3, seed=1)
    nothing = Judged(judged.outputs, torch.tensor(judged.labels), np.full(20, -1))
    found = judge(nothing, ours())
    assert found.metrics["selective_risk"] is None
    assert found.intervals["selective_risk"] is None
    assert np.isnan(found.replicates["selective_risk"]).all()
    assert found.bootstrap["undefined"] == {"selective_risk": 1000}
    assert found.metrics["coverage"] == 0
    json.dumps(plain(found), allow_nan=False)


def test_one_sample_has_degenerate_intervals():
    judged = Judged(Outputs(torch.tensor([[2.0, 0.0, 1.0]])), torch.tensor([0]), np.array([0]))
    found = judge(judged, ours())
    for name, value in found.metrics.items():
        assert found.intervals[name] == pytest.approx([value, value], abs=1e-15)
    assert found.metrics["ece15"] == pytest.approx(1 - judged.confidence[0])
    json.dumps(plain(found), allow_nan=False)


def test_threads_change_no_bit():
    def run():
        found = judge(simulated(2000, 30, seed=2, decide="all"), ours())
        figures = {name: value.hex() for name, value in found.metrics.items()}
        return figures, found.intervals, found.noise_floor, found.details, found.replicates

    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            with threadpool_limits(limits=threads):
                results.append(run())
    finally:
        torch.set_num_threads(before)
    one, two = results
    assert one[:4] == two[:4]
    for name, replicates in one[4].items():
        assert replicates.tobytes() == two[4][name].tobytes()


def test_a_second_run_with_the_same_seed_is_the_same_and_another_seed_is_not():
    first, again = (judge(simulated(60, 3, seed=4), ours(), seed=1) for _ in range(2))
    assert plain(first) == plain(again)
    other = judge(simulated(60, 3, seed=4), ours(), seed=2)
    assert other.metrics == first.metrics
    assert other.intervals != first.intervals


class Overconfidence(Metric):
    """The example of the hook's docstring: `value` alone."""

    def value(self, judged):
        return float(judged.confidence.mean() - judged.correct.mean())


class Broken(Metric):
    def value(self, judged):
        return judged.no_such_thing


class LateBroken(Overconfidence):
    """Fails only where a block of resamples, or of drawn labels, is asked for."""

    def __init__(self, where):
        setattr(self, where, lambda *_: 1 / 0)

    def floor_draws(self, judged, correct, labels):
        return None


class Undefined(Metric):
    def value(self, judged):
        return math.inf

    def details(self, judged):
        return {"why": [1.0, math.nan]}


def spec_of(name):
    return MetricSpec(name=name, summary="A test.", target="tests:Nothing")


def test_a_plugin_metric_needs_only_value():
    judged = simulated(80, 3, seed=5)
    found = judge(judged, {"over": (spec_of("over"), Overconfidence())})
    low, high = found.intervals["over"]
    assert low < found.metrics["over"] < high
    assert found.noise_floor == {}
    assert found.bootstrap["bias_corrected"] == []
    assert found.details == {}


def test_a_failing_plugin_is_named_and_an_infinite_figure_is_undefined():
    judged = simulated(30, 3, seed=5)
    with pytest.raises(RunError, match=r"metric 'broken' failed: AttributeError"):
        judge(judged, {"broken": (spec_of("broken"), Broken())})
    for where in ("details", "resampled", "floor_draws"):
        with pytest.raises(RunError, match=r"metric 'late' failed: ZeroDivisionError"):
            judge(judged, {"late": (spec_of("late"), LateBroken(where))})
    found = judge(judged, {"odd": (spec_of("odd"), Undefined())})
    assert found.metrics == {"odd": None}
    assert found.intervals == {"odd": None}
    assert found.details == {"odd": {"why": [1.0, None]}}


def test_too_few_resamples_are_refused():
    with pytest.raises(InputError, match="999"):
        judge(simulated(10, 2, seed=0), ours(), resamples=999)
