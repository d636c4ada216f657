"""`Metric.of_resamples`, which takes sums over bytes, against `resampled` on float64 weights, and the stream of resamples."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import simulated, simulated_with_decisions
from tied_cases import several_labels

from calibench.kernels.reference.bootstrap_bins import positions
from calibench.metrics import bootstrap as bootstrap_module
from calibench.metrics.accuracy import Accuracy
from calibench.metrics.augrc import AUGRC
from calibench.metrics.aurc import AURC
from calibench.metrics.bootstrap import Sampling, bootstrap, multiplicities
from calibench.metrics.brier import Brier
from calibench.metrics.classwise_ece import ClasswiseECE
from calibench.metrics.ece import ECE
from calibench.metrics.ece_debiased import DebiasedECE
from calibench.metrics.ece_equal_mass import EqualMassECE
from calibench.metrics.equal_width import BinnedMetric
from calibench.metrics.judged import Judged
from calibench.metrics.mce import MCE
from calibench.metrics.metric import Metric
from calibench.metrics.nll import Nll
from calibench.metrics.resamples import resample_blocks
from calibench.metrics.rms_ce import RmsCE
from calibench.outputs.outputs import Outputs

FAST: dict[str, Metric] = {
    "accuracy": Accuracy(),
    "nll": Nll(),
    "brier": Brier(),
    "ece15": ECE(15),
    "ece1": ECE(1),
    "mce15": MCE(15),
    "debiased": DebiasedECE(15),
    "mass15": EqualMassECE(15),
    "mass4": EqualMassECE(4),
    "classwise15": ClasswiseECE(15),
    "classwise1": ClasswiseECE(1),
    "aurc": AURC(),
    "augrc": AUGRC(),
    "augrc_like": AUGRC(like="fd-shifts"),
}


def exactness(name):
    """Sums of class probabilities are those of multiples of 2^-29."""
    return 1e-9 if name.startswith("classwise") else 1e-12


def check_sums_serve(judged, seed=0, rows=None, num_samples=0, resamples=5):
    """Every fast metric has the figures that `resampled` gives for the weights of the same resamples."""
    source = bootstrap_module.source_of(judged, rows, num_samples, seed)
    for block in resample_blocks(source, judged.n, resamples):
        weights = np.concatenate(list(block.weights()))
        empty = block.total == 0
        np.testing.assert_array_equal(block.total[~empty], weights[~empty].sum(axis=1))
        for name, metric in FAST.items():
            if not metric.applies(judged):
                continue
            assert bootstrap_module.sums_serve(type(metric)), name
            figures, expected = metric.of_resamples(judged, block), metric.resampled(judged, weights)
            np.testing.assert_allclose(figures[~empty], expected[~empty], rtol=1e-9, atol=exactness(name), err_msg=name)


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 700])
def test_sums_serve_every_fast_metric(n):
    check_sums_serve(simulated(n, 6, seed=n), resamples=33)


def test_more_samples_than_a_chunk_of_sums():
    check_sums_serve(simulated(70_000, 3, seed=2), resamples=3)


@pytest.mark.slow
@given(
    n=st.integers(1, 90),
    classes=st.integers(2, 5),
    seed=st.integers(0, 2**62),
    levels=st.integers(1, 6),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_sums_serve_with_ties_and_subsets(n, classes, seed, levels, data):
    generator = np.random.default_rng(seed)
    logits = torch.tensor(generator.integers(levels, size=(n, classes)).astype(np.float64))
    judged = Judged(Outputs(logits), torch.tensor(generator.integers(classes, size=n)))
    check_sums_serve(judged, seed)
    num_samples = data.draw(st.integers(n, 3 * n))
    check_sums_serve(judged, seed, generator.permutation(num_samples)[:n], num_samples)


@pytest.mark.parametrize(("n", "labels"), [(1, 3), (150, 4)])
def test_the_answers_of_a_sample_are_drawn_together(n, labels):
    judged, _ = several_labels(n, labels, seed=5)
    check_sums_serve(judged)
    source = bootstrap_module.source_of(judged, None, 0, 0)
    (block,) = resample_blocks(source, judged.n, 4)
    (weights,) = block.weights()
    np.testing.assert_array_equal(weights, next(multiplicities(n, 4, 0, labels)))


def test_the_stream_is_that_of_its_definition():
    weights = np.concatenate(list(multiplicities(130, 70, seed=9)))
    for b in (0, 1, 63, 64, 69):
        np.testing.assert_array_equal(weights[b], np.bincount(positions(130, 0, 130, b, 9), minlength=130))


def test_counts_are_multinomial():
    n, resamples = 50, 4000
    weights = np.concatenate(list(multiplicities(n, resamples, seed=1)))
    assert (weights.sum(axis=1) == n).all()
    deviation = np.sqrt((1 - 1 / n) / resamples)
    assert np.abs(weights.mean(axis=0) - 1).max() < 5 * deviation
    assert abs(weights.var() - (1 - 1 / n)) < 0.01
    covariance = np.cov(weights.T)
    assert abs(covariance[~np.eye(n, dtype=bool)].mean() + 1 / n) < 1e-3


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_threads_change_no_bit(threads):
    judged, estimates = simulated_with_decisions(3000, 6, seed=1), dict.fromkeys(FAST, 0.1)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    expected = bootstrap(judged, FAST, estimates, Sampling())
    try:
        torch.set_num_threads(threads)
        again = bootstrap(judged, FAST, estimates, Sampling())
    finally:
        torch.set_num_threads(before)
    for name in FAST:
        assert again[name].values.tobytes() == expected[name].values.tobytes(), name


def test_the_reference_gives_the_same_replicates(monkeypatch):
    judged, estimates = simulated(120, 4, seed=1), dict.fromkeys(FAST, 0.1)
    fused = bootstrap(judged, FAST, estimates, Sampling())
    monkeypatch.setenv("CALIBENCH_BACKEND", "reference")
    reference = bootstrap(judged, FAST, estimates, Sampling())
    for name in FAST:
        np.testing.assert_allclose(fused[name].values, reference[name].values, rtol=1e-9, atol=1e-12, err_msg=name)


def test_a_subclass_that_overrides_resampled_is_asked():
    class Doubled(ECE):
        def resampled(self, judged, weights):
            return 2 * super().resampled(judged, weights)

    class Tripled(Doubled):
        def of_resamples(self, judged, resamples):
            return 3 * ECE.of_resamples(self, judged, resamples)

    serve = bootstrap_module.sums_serve
    assert (serve(ECE), serve(Doubled), serve(Tripled), serve(RmsCE)) == (BinnedMetric, None, Tripled, None)
    judged, sampling = simulated(40, 3, seed=0), Sampling()
    metrics = {"once": ECE(15), "twice": Doubled(15), "thrice": Tripled(15)}
    values = {
        name: found.values
        for name, found in bootstrap(judged, metrics, dict.fromkeys(metrics, np.nan), sampling).items()
    }
    np.testing.assert_allclose(values["twice"], 2 * values["once"], rtol=1e-12)
    np.testing.assert_allclose(values["thrice"], 3 * values["once"], rtol=1e-12)
