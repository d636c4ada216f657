"""Resamples and noise floors of weighted samples, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from metric_cases import draw
from test_sample_weight import LOADED

from calibench.evaluation.judge import applicable
from calibench.metrics.bootstrap import Sampling, bootstrap, multiplicities
from calibench.metrics.judged import Judged
from calibench.metrics.label_draws import draw_labels
from calibench.metrics.noise_floor import drawn_figures
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs

LOOPED = 25
"""So many resamples are checked."""


def case(n, k, seed=0):
    """Samples with weights, a tenth of them 0, and decisions."""
    rng = np.random.default_rng(seed)
    logits, y = draw(n, k, rng)
    weights = rng.lognormal(0, 1, n) * (rng.random(n) < 0.9)
    judged = Judged(Outputs(torch.tensor(logits)), torch.tensor(y), Decisions(torch.tensor(rng.integers(-1, k, n))))
    return Judged(judged.outputs, torch.tensor(y), judged.decisions, sample_weight=weights), weights


def unshifted(replicates, metric):
    """Biased figures are shifted by a constant, so their differences are compared."""
    return replicates - replicates[0] if metric.bias_corrected else replicates


@pytest.mark.slow
@pytest.mark.parametrize("k", [2, 4])
def test_replicates_are_the_figures_of_resampled_pairs_of_sample_and_weight(k):
    judged, _ = case(60, k)
    metrics = applicable(judged, LOADED)
    estimates = {name: metric.value(judged) for name, metric in metrics.items()}
    replicates = bootstrap(judged, metrics, estimates, Sampling(seed=3))
    counts = next(multiplicities(60, LOOPED, seed=3)).astype(int)
    for name, metric in metrics.items():
        loop = np.array([metric.value(judged.take(np.repeat(np.arange(60), row))) for row in counts])
        found = unshifted(replicates[name].values[:LOOPED], metric)
        np.testing.assert_allclose(found, unshifted(loop, metric), rtol=1e-8, atol=1e-8, err_msg=name)


def test_a_resample_without_any_weight_is_undefined():
    judged, _ = case(30, 3)
    own = np.zeros(30)
    own[:2] = 1, 2
    judged = Judged(judged.outputs, torch.tensor(judged.labels), sample_weight=own)
    metrics = {name: LOADED[name][1] for name in ("accuracy", "brier", "ece15", "aurc", "classwise_ece15", "augrc")}
    estimates = {name: metric.value(judged) for name, metric in metrics.items()}
    replicates = bootstrap(judged, metrics, estimates, Sampling(seed=1))
    counts = np.concatenate(list(multiplicities(30, 1000, seed=1)))
    absent = counts[:, :2].sum(axis=1) == 0
    assert absent.any()
    for name in metrics:
        np.testing.assert_array_equal(np.isnan(replicates[name].values), absent, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("k", [2, 4])
def test_floors_are_the_figures_of_drawn_labels_with_the_same_weights(k):
    judged, weights = case(80, k, seed=5)
    metrics = {name: metric for name, (_, metric) in LOADED.items() if metric.applies(judged)}
    found = drawn_figures(judged, metrics, draws=6, seed=2)
    assert set(found) == set(drawn_figures(judged.take(np.arange(80)), metrics, draws=6))
    assert {"ece15", "ece_equal_mass15", "classwise_ece15", "ks", "smece", "mcb", "rms_ce", "ace15", "atb"} <= set(
        found
    )
    labels = np.concatenate([block for _, block in draw_labels(judged, 6, seed=2)])
    for name, values in found.items():
        loop = [metrics[name].value(Judged(judged.outputs, torch.tensor(row), sample_weight=weights)) for row in labels]
        np.testing.assert_allclose(values, loop, rtol=1e-9, atol=1e-9, err_msg=name)


def test_subsets_of_a_larger_set_share_its_resamples_with_their_own_weights():
    judged, _ = case(50, 3)
    rows = np.flatnonzero(np.arange(50) % 3 == 0)
    part = judged.take(rows)
    metrics = {
        name: LOADED[name][1] for name in ("accuracy", "nll", "ece15", "ece_debiased15", "aurc", "classwise_ece15")
    }
    estimates = {name: metric.value(part) for name, metric in metrics.items()}
    replicates = bootstrap(part, metrics, estimates, Sampling(), rows=rows, num_samples=50)
    counts = next(multiplicities(50, LOOPED, seed=0)).astype(int)[:, rows]
    for name, metric in metrics.items():
        loop = np.array([metric.value(part.take(np.repeat(np.arange(len(rows)), row))) for row in counts])
        found = unshifted(replicates[name].values[:LOOPED], metric)
        np.testing.assert_allclose(found, unshifted(loop, metric), rtol=1e-8, atol=1e-8, err_msg=name)
