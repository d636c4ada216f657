"""The bootstrap: its stream of resamples, intervals, pairing, bias correction, and undefined replicates."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from metric_cases import simulated

from calibench.errors import InputError, RunError
from calibench.kernels.reference.bootstrap_bins import positions
from calibench.metrics.accuracy import Accuracy
from calibench.metrics.blocks import block_rows
from calibench.metrics.bootstrap import Sampling, bootstrap, multiplicities, percentile_interval
from calibench.metrics.ece import ECE
from calibench.metrics.judged import Judged
from calibench.metrics.label_draws import draw_labels
from calibench.metrics.selective_risk import SelectiveRisk
from calibench.outputs.outputs import Outputs


def test_multiplicities_are_draws_with_replacement_and_depend_on_seed_and_size_alone():
    blocks = list(multiplicities(50, 1000, seed=7))
    assert [len(block) for block in blocks] == [64] * 15 + [40]
    weights = np.concatenate(blocks)
    assert (weights.sum(axis=1) == 50).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(50), abs=0.2)
    assert weights.var() == pytest.approx(1 - 1 / 50, abs=0.03)
    np.testing.assert_array_equal(weights[0], np.bincount(positions(50, 0, 50, 0, 7), minlength=50))
    np.testing.assert_array_equal(np.concatenate(list(multiplicities(50, 1100, seed=7)))[:1000], weights)
    assert (block_rows(50), block_rows(50_000), block_rows(10**9)) == (64, 64, 1)


def test_the_accuracy_interval_agrees_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    judged = simulated(400, 3, seed=5)
    accuracy = Accuracy().value(judged)
    ours = bootstrap(judged, {"a": Accuracy()}, {"a": accuracy}, Sampling(4000, seed=0))["a"]
    theirs = stats.bootstrap(
        (judged.correct,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    # The Monte-Carlo error of such a quantile is about 2 % of the interval's width; steps are 1 / 400.
    assert percentile_interval(ours.values) == pytest.approx([theirs.low, theirs.high], abs=0.005)
    spread = math.sqrt(accuracy * (1 - accuracy) / 400)
    assert ours.values.std() == pytest.approx(spread, rel=0.05)


def test_replicates_are_paired_whatever_else_is_judged():
    first, second = simulated(120, 3, seed=1), simulated(120, 3, seed=2)
    both = bootstrap(
        first, {"e": ECE(15), "a": Accuracy()}, {"e": ECE(15).value(first), "a": 0.0}, Sampling(1000, seed=4)
    )
    alone = bootstrap(first, {"a": Accuracy()}, {"a": 0.0}, Sampling(1000, seed=4))
    np.testing.assert_array_equal(both["a"].values, alone["a"].values)
    rival = bootstrap(second, {"a": Accuracy()}, {"a": 0.0}, Sampling(1000, seed=4))["a"].values
    weights = np.concatenate(list(multiplicities(120, 1000, seed=4)))
    difference = weights @ (first.correct - second.correct) / 120
    np.testing.assert_allclose(both["a"].values - rival, difference, atol=1e-14)
    other_seed = bootstrap(first, {"a": Accuracy()}, {"a": 0.0}, Sampling(1000, seed=5))["a"].values
    assert (other_seed != alone["a"].values).any()


def test_subsets_of_one_set_share_its_resamples():
    """A subset is judged by the weights of its rows; a resample that misses all of them is undefined."""
    judged = simulated(30, 3, seed=6)
    rows = np.array([4, 7])
    estimates = {"a": Accuracy().value(judged.take(rows))}
    subset = bootstrap(
        judged.take(rows), {"a": Accuracy()}, estimates, Sampling(1000, seed=4), rows=rows, num_samples=30
    )["a"]
    weights = np.concatenate(list(multiplicities(30, 1000, seed=4)))[:, rows]
    drawn = weights.sum(axis=1) > 0
    assert subset.undefined == (~drawn).sum() > 0
    expected = weights[drawn] @ judged.correct[rows] / weights[drawn].sum(axis=1)
    np.testing.assert_allclose(subset.values[drawn], expected, atol=1e-14)


def test_binned_errors_are_recentred_on_their_estimate():
    # Labels drawn from the probabilities: a calibrated model, whose ECE is noise that resampling doubles.
    judged = simulated(400, 5, seed=8)
    labels = next(draw_labels(judged, 1, seed=0))[1][0]
    judged = Judged(judged.outputs, torch.tensor(labels))
    estimate = ECE(15).value(judged)
    replicates = bootstrap(judged, {"e": ECE(15)}, {"e": estimate}, Sampling(1000, seed=0))["e"]
    raw = np.concatenate([ECE(15).resampled(judged, block) for block in multiplicities(400, 1000, seed=0)])
    assert raw.mean() > estimate + 0.005
    np.testing.assert_allclose(replicates.values, raw - (raw.mean() - estimate), atol=1e-12)


def test_undefined_replicates_are_dropped_and_counted():
    judged = Judged(Outputs(torch.zeros(2, 2)), torch.tensor([0, 1]), np.array([-1, 0]))
    replicates = bootstrap(judged, {"r": SelectiveRisk()}, {"r": 1.0}, Sampling(1000, seed=0))["r"]
    # A resample of two misses the one accepted sample with probability 1/4.
    assert replicates.undefined == np.isnan(replicates.values).sum() == pytest.approx(250, abs=60)
    assert percentile_interval(replicates.values) == [1.0, 1.0]
    nothing = Judged(Outputs(torch.zeros(2, 2)), torch.tensor([0, 1]), np.array([-1, -1]))
    replicates = bootstrap(nothing, {"r": SelectiveRisk()}, {"r": math.nan}, Sampling(1000, seed=0))["r"]
    assert (replicates.undefined, percentile_interval(replicates.values)) == (1000, None)


def test_too_few_resamples_and_a_negative_seed_are_refused():
    judged = simulated(10, 2, seed=0)
    with pytest.raises(InputError, match="999 bootstrap resamples are too few"):
        bootstrap(judged, {}, {}, Sampling(999, seed=0))
    with pytest.raises(InputError, match="seed -1"):
        bootstrap(judged, {}, {}, Sampling(1000, seed=-1))


def test_a_metric_that_returns_a_wrong_shape_is_named():
    class WrongShape(Accuracy):
        def resampled(self, judged, weights):
            return weights

    with pytest.raises(RunError, match=r"metric 'wrong'.*\[64, 10\]"):
        bootstrap(simulated(10, 2, seed=0), {"wrong": WrongShape()}, {"wrong": 0.0}, Sampling(1000, seed=0))


@pytest.mark.parametrize(("level", "resamples"), [(0.99, 1000), (0.999, 10_000), (0.5, 1000)])
def test_the_level_sets_the_quantiles_and_the_least_number_of_resamples(level, resamples):
    values = np.random.default_rng(0).normal(size=resamples)
    expected = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    assert percentile_interval(values, level) == pytest.approx(expected, abs=1e-12)
    Sampling(resamples, level).check()
    with pytest.raises(InputError, match="bootstrap resamples are too few"):
        Sampling(resamples - 1, level).check()


@pytest.mark.parametrize("level", [0, 1, 95, -0.1, math.nan])
def test_a_level_is_a_fraction(level):
    with pytest.raises(InputError, match="is not between 0 and 1"):
        Sampling(level=level).check()
