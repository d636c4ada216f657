"""Resampled metrics, the bootstrap built on them, and the noise floor."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calibench.errors import InputError, RunError
from calibench.metrics.accuracy import Accuracy
from calibench.metrics.aurc import AURC
from calibench.metrics.bootstrap import block_rows, bootstrap, multiplicities
from calibench.metrics.brier import Brier
from calibench.metrics.classwise_ece import ClasswiseECE
from calibench.metrics.ece import ECE, MCE
from calibench.metrics.equal_mass import EqualMassECE
from calibench.metrics.judged import Judged
from calibench.metrics.mean_cost import MeanCost
from calibench.metrics.metric import Metric
from calibench.metrics.nll import Nll
from calibench.metrics.noise_floor import drawn_labels, noise_floor
from calibench.metrics.selective import Coverage, SelectiveRisk
from calibench.metrics.set_coverage import SetCoverage
from calibench.metrics.set_size import SetSize
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs

ALL = [
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
]
NAMED = pytest.mark.parametrize("metric", ALL, ids=lambda m: f"{type(m).__name__}{getattr(m, 'bins', '')}")


def said(answers, k, seed=0):
    """Decisions with sets, doubts in ties, and costs, so that every metric has something to judge."""
    rng = np.random.default_rng(seed)
    return Decisions(
        torch.tensor(answers),
        sets=torch.tensor(rng.random((len(answers), k)) < 0.4),
        uncertainty=torch.tensor(rng.integers(5, size=len(answers)).astype(np.float64)),
        score="a score",
        costs=torch.tensor(rng.normal(size=(k, k + 1))),
    )


def simulated(n, k, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    logits = rng.normal(size=(n, k)) * 1.5
    logits[np.arange(n), labels] += rng.exponential(2.0, size=n)
    decisions = rng.integers(-1, k, size=n)
    return Judged(Outputs(torch.tensor(logits)), torch.tensor(labels), said(decisions, k, seed))


@st.composite
def tied_cases(draw):
    """A few samples of few distinct rows (probabilities on bin edges, or small whole logits), and weights 0 .. 3."""
    n, k = draw(st.integers(1, 12)), draw(st.integers(2, 4))
    whole = st.lists(st.lists(st.integers(0, 3), min_size=k, max_size=k), min_size=n, max_size=n)
    table = np.array(draw(whole), dtype=np.float64)
    from_probs = draw(st.booleans())
    if from_probs:
        table[:, 0] += table.sum(axis=1) == 0
        table /= table.sum(axis=1, keepdims=True)
    ints = lambda low, high: np.array(draw(st.lists(st.integers(low, high), min_size=n, max_size=n)))  # noqa: E731
    labels, decisions = ints(0, k - 1), ints(-1, k - 1)
    weights = np.stack([ints(0, 3) for _ in range(3)]).astype(np.float64)
    weights[weights.sum(axis=1) == 0, 0] = 1
    return Judged(Outputs(torch.tensor(table), from_probs), torch.tensor(labels), said(decisions, k)), weights


@given(case=tied_cases())
@settings(max_examples=150, deadline=None)
def test_fast_resampling_equals_the_generic_one_with_many_ties(case):
    judged, weights = case
    for metric in ALL:
        generic = Metric.resampled(metric, judged, weights)
        np.testing.assert_allclose(metric.resampled(judged, weights), generic, rtol=0, atol=1e-12)


@NAMED
def test_fast_resampling_equals_the_generic_one_on_bootstrap_weights(metric):
    judged = simulated(700, 6, seed=1)
    weights = next(multiplicities(700, 5, seed=3))
    generic = Metric.resampled(metric, judged, weights)
    np.testing.assert_allclose(metric.resampled(judged, weights), generic, rtol=0, atol=1e-12)


@NAMED
def test_weights_of_two_are_duplicated_samples_and_of_one_the_samples(metric):
    judged = simulated(90, 4, seed=2)
    twice = Judged(
        Outputs(judged.outputs.scores.repeat_interleave(2, dim=0)),
        torch.tensor(judged.labels).repeat_interleave(2),
        Decisions(
            torch.tensor(np.repeat(judged.decisions, 2)),
            sets=torch.tensor(np.repeat(judged.sets, 2, axis=0)),
            costs=torch.tensor(judged.costs),
        ),
    )
    found = metric.resampled(judged, np.stack([np.full(90, 2.0), np.ones(90)]))
    assert found[0] == pytest.approx(metric.value(twice), abs=1e-12)
    assert found[1] == pytest.approx(metric.value(judged), abs=1e-13)


def test_doubling_every_sample_moves_no_figure_that_does_not_rank():
    judged = simulated(90, 4, seed=2)
    for metric in ALL:
        if not isinstance(metric, AURC | EqualMassECE):
            twice = metric.resampled(judged, np.full((1, 90), 2.0))[0]
            assert twice == pytest.approx(metric.value(judged), abs=1e-13)


def test_selective_risk_is_nan_in_resamples_that_accept_nothing():
    judged = Judged(Outputs(torch.zeros(2, 2)), torch.tensor([0, 1]), np.array([-1, 1]))
    found = SelectiveRisk().resampled(judged, np.array([[2.0, 0.0], [1.0, 1.0]]))
    assert math.isnan(found[0])
    assert found[1] == 0


def test_take_gives_those_rows_with_repeats():
    judged = simulated(20, 3, seed=0)
    part = judged.take(np.array([4, 4, 1])).take(np.array([0, 2]))
    assert (part.n, part.num_classes) == (2, 3)
    for name in (
        "labels",
        "prediction",
        "confidence",
        "tail",
        "nll",
        "brier",
        "correct",
        "decisions",
        "probs",
        "sets",
        "uncertainty",
    ):
        np.testing.assert_array_equal(getattr(part, name), getattr(judged, name)[[4, 1]])
    np.testing.assert_array_equal(part.costs, judged.costs)
    assert part.score == judged.score == "a score"
    np.testing.assert_array_equal(part.outputs.scores, judged.outputs.scores[[4, 1]])
    with pytest.raises(ValueError, match="read-only"):
        judged.confidence[0] = 0


# --- bootstrap -----------------------------------------------------------------------------------------------------


def test_multiplicities_are_draws_with_replacement_and_depend_on_seed_and_size_alone():
    blocks = list(multiplicities(50, 1000, seed=7))
    assert [len(block) for block in blocks] == [64] * 15 + [40]
    weights = np.concatenate(blocks)
    assert (weights.sum(axis=1) == 50).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(50), abs=0.2)
    assert weights.var() == pytest.approx(1 - 1 / 50, abs=0.03)
    generator = np.random.Generator(np.random.PCG64(7))
    np.testing.assert_array_equal(weights[0], np.bincount(generator.integers(50, size=50), minlength=50))
    np.testing.assert_array_equal(np.concatenate(list(multiplicities(50, 1100, seed=7)))[:1000], weights)
    assert (block_rows(50), block_rows(50_000), block_rows(10**9)) == (64, 64, 1)


def test_accuracy_interval_agrees_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    judged = simulated(400, 3, seed=5)
    accuracy = Accuracy().value(judged)
    ours = bootstrap(judged, {"a": Accuracy()}, {"a": accuracy}, resamples=4000, seed=0)["a"]
    theirs = stats.bootstrap(
        (judged.correct,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    # The Monte-Carlo error of such a quantile is about 2 % of the interval's width; steps are 1 / 400.
    assert ours.interval == pytest.approx([theirs.low, theirs.high], abs=0.005)
    spread = math.sqrt(accuracy * (1 - accuracy) / 400)
    assert ours.values.std() == pytest.approx(spread, rel=0.05)


def test_replicates_are_paired_whatever_else_is_judged():
    one, other = simulated(120, 3, seed=1), simulated(120, 3, seed=2)
    both = bootstrap(one, {"e": ECE(15), "a": Accuracy()}, {"e": ECE(15).value(one), "a": 0.0}, resamples=1000, seed=4)
    alone = bootstrap(one, {"a": Accuracy()}, {"a": 0.0}, resamples=1000, seed=4)
    np.testing.assert_array_equal(both["a"].values, alone["a"].values)
    rival = bootstrap(other, {"a": Accuracy()}, {"a": 0.0}, resamples=1000, seed=4)["a"].values
    weights = np.concatenate(list(multiplicities(120, 1000, seed=4)))
    difference = weights @ (one.correct - other.correct) / 120
    np.testing.assert_allclose(both["a"].values - rival, difference, atol=1e-14)
    other_seed = bootstrap(one, {"a": Accuracy()}, {"a": 0.0}, resamples=1000, seed=5)["a"].values
    assert (other_seed != alone["a"].values).any()


def test_binned_errors_are_recentred_on_their_estimate_and_stay_in_0_1():
    # Labels drawn from the probabilities: a calibrated model, whose ECE is noise that resampling doubles.
    judged = simulated(400, 5, seed=8)
    labels = next(drawn_labels(judged, 1, seed=0))[1][0]
    judged = Judged(judged.outputs, torch.tensor(labels))
    estimate = ECE(15).value(judged)
    found = bootstrap(judged, {"e": ECE(15)}, {"e": estimate}, resamples=1000, seed=0)["e"]
    raw = np.concatenate([ECE(15).resampled(judged, block) for block in multiplicities(400, 1000, seed=0)])
    assert raw.mean() > estimate + 0.005
    np.testing.assert_allclose(found.values, np.clip(raw - (raw.mean() - estimate), 0, 1), atol=1e-15)
    assert found.interval == pytest.approx(np.quantile(found.values, [0.025, 0.975]).tolist(), abs=1e-15)
    assert found.interval[0] < estimate < found.interval[1]
    sure = Judged(Outputs(torch.tensor([[9.0, 0.0], [0.0, 9.0]]).double()), torch.tensor([0, 1]))
    edge = bootstrap(sure, {"e": ECE(15)}, {"e": ECE(15).value(sure)}, resamples=1000, seed=0)["e"]
    assert 0 <= edge.values.min() <= edge.values.max() <= 1


def test_undefined_replicates_are_dropped_and_counted():
    judged = Judged(Outputs(torch.zeros(2, 2)), torch.tensor([0, 1]), np.array([-1, 0]))
    found = bootstrap(judged, {"r": SelectiveRisk()}, {"r": 1.0}, resamples=1000, seed=0)["r"]
    # A resample of two misses the one accepted sample with probability 1/4.
    assert found.undefined == np.isnan(found.values).sum() == pytest.approx(250, abs=60)
    assert found.interval == [1.0, 1.0]
    nothing = Judged(Outputs(torch.zeros(2, 2)), torch.tensor([0, 1]), np.array([-1, -1]))
    found = bootstrap(nothing, {"r": SelectiveRisk()}, {"r": math.nan}, resamples=1000, seed=0)["r"]
    assert (found.undefined, found.interval) == (1000, None)


def test_too_few_resamples_a_negative_seed_and_a_wrong_shape_are_refused():
    judged = simulated(10, 2, seed=0)
    with pytest.raises(InputError, match="999 bootstrap resamples are too few"):
        bootstrap(judged, {}, {}, resamples=999, seed=0)
    with pytest.raises(InputError, match="seed -1"):
        bootstrap(judged, {}, {}, resamples=1000, seed=-1)

    class Odd(Accuracy):
        def resampled(self, judged, weights):
            return weights

    with pytest.raises(RunError, match=r"metric 'odd'.*\[64, 10\]"):
        bootstrap(judged, {"odd": Odd()}, {"odd": 0.0}, resamples=1000, seed=0)


# --- noise floor ---------------------------------------------------------------------------------------------------


def test_labels_are_drawn_from_the_predicted_probabilities():
    judged = simulated(4, 5, seed=3)
    draws = 20_000
    blocks = list(drawn_labels(judged, draws, seed=0))
    correct, labels = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    np.testing.assert_array_equal(correct, labels == judged.prediction)
    share = np.stack([(labels == c).mean(axis=0) for c in range(5)], axis=1)
    error = np.sqrt(judged.probs * (1 - judged.probs) / draws)
    assert (np.abs(share - judged.probs) <= 4.5 * error + 1e-12).all()


def test_certain_and_impossible_classes_are_drawn_always_and_never():
    probs = torch.tensor([[0.0, 1.0, 0.0], [0.5, 0.0, 0.5], [0.0, 0.3, 0.7]], dtype=torch.float64)
    judged = Judged(Outputs(probs, from_probs=True), torch.tensor([0, 1, 2]))
    labels = np.concatenate([labels for _, labels in drawn_labels(judged, 2000, seed=1)])
    assert set(labels[:, 0]) == {1}
    assert set(labels[:, 1]) == {0, 2}
    assert set(labels[:, 2]) == {1, 2}


def test_floor_agrees_with_an_independent_simulation_of_calibrated_models():
    judged = simulated(300, 4, seed=11)
    metrics = {"ece": ECE(15), "mce": MCE(15), "mass": EqualMassECE(10), "class": ClasswiseECE(15)}
    ours = noise_floor(judged, {**metrics, "nll": Nll(), "accuracy": Accuracy()}, seed=0)
    assert set(ours) == set(metrics)
    rng = np.random.default_rng(99)
    scores = {name: [] for name in metrics}
    for _ in range(1000):
        cumulative = judged.probs.cumsum(axis=1)
        labels = (rng.random((300, 1)) > cumulative[:, :-1]).sum(axis=1)
        calibrated = Judged(judged.outputs, torch.tensor(labels))
        for name, metric in metrics.items():
            scores[name].append(metric.value(calibrated))
    for name, values in scores.items():
        error = np.std(values) * math.sqrt(2 / 1000)
        assert ours[name]["mean"] == pytest.approx(np.mean(values), abs=4 * error)
        assert ours[name]["p95"] == pytest.approx(np.quantile(values, 0.95), abs=10 * error)


def test_each_floor_draw_is_the_metric_of_those_labels():
    judged = simulated(60, 3, seed=12)
    correct, labels = next(drawn_labels(judged, 6, seed=0))
    for metric in (ECE(15), ECE(4), MCE(15), EqualMassECE(7), ClasswiseECE(15), ClasswiseECE(1)):
        values = [metric.value(Judged(judged.outputs, torch.tensor(row))) for row in labels]
        np.testing.assert_allclose(metric.floor_draws(judged, correct, labels), values, atol=1e-13)


def test_a_calibrated_model_scores_its_floor_on_average():
    rng = np.random.default_rng(0)
    confidence = 0.5 + 0.5 * rng.beta(3, 1, size=10_000)
    labels = (rng.random(10_000) > confidence).astype(np.int64)
    probs = torch.tensor(np.stack([confidence, 1 - confidence], axis=1))
    judged = Judged(Outputs(probs, from_probs=True), torch.tensor(labels))
    floor = noise_floor(judged, {"ece": ECE(15)}, seed=0)["ece"]
    assert 0.002 < floor["mean"] < 0.012
    assert floor["mean"] < floor["p95"] < 2 * floor["mean"]
    assert ECE(15).value(judged) < 1.5 * floor["p95"]
