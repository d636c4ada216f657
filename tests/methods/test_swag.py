"""`swag` and `snapshot` against what their papers' formulas give for the weights after each epoch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from sampler_cases import collected, inputs, network, sample_task, variant_probs, weights
from torch import nn

from calibench import RunError
from calibench.seeds import seeded
from calibench.stages.sampler import as_it_is
from calibench_methods.samplers.more_sgd import estimate_batch_norm
from calibench_methods.samplers.snapshot import Snapshot
from calibench_methods.samplers.swag import SWAG


def test_swag_collects_the_moments_of_the_weights() -> None:
    module = network()
    tensors, after_epochs = collected(SWAG(5, 6, 0.05, 3, 1.0, "probs"), module)
    moments = {name: tensor.numpy() for name, tensor in tensors.items()}
    np.testing.assert_allclose(moments["mean"], after_epochs.mean(0), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(moments["variance"], after_epochs.var(0), rtol=1e-6, atol=1e-12)
    running_mean = np.stack([after_epochs[: i + 1].mean(0) for i in range(len(after_epochs))])
    np.testing.assert_allclose(moments["deviations"], (after_epochs - running_mean)[-3:], rtol=1e-9, atol=1e-12)
    assert after_epochs.std(0).max() > 0


def test_swag_draws_have_the_stated_mean_and_covariance() -> None:
    module, draws = network(), 1500
    size = len(weights(module))
    rng = np.random.default_rng(0)
    mean, variance, deviations = rng.normal(size=size), rng.uniform(0.1, 2, size), rng.normal(size=(4, size))
    tensors = {
        name: torch.from_numpy(array)
        for name, array in (("mean", mean), ("variance", variance), ("deviations", deviations))
    }
    drawn = []
    with seeded(0):
        for _ in SWAG(draws, 4, 0.1, 4, 0.5, "probs").variants(module, tensors, inputs()):
            drawn.append(weights(module)[:6])
    expected = 0.5 * (0.5 * np.diag(variance[:6]) + 0.5 * deviations[:, :6].T @ deviations[:, :6] / 3)
    covariance = np.cov(np.stack(drawn).T)
    standard_error = np.sqrt(2 * np.outer(np.diag(expected), np.diag(expected)) / draws)
    assert (np.abs(covariance - expected) < 5 * standard_error).all()
    assert (np.abs(np.mean(drawn, 0) - mean[:6]) < 5 * np.sqrt(np.diag(expected) / draws)).all()


def test_swag_of_scale_0_predicts_with_the_mean_weights_once() -> None:
    module, sampler = network(), SWAG(7, 4, 0.05, 3, 0.0, "probs")
    tensors, _ = collected(sampler, module)
    assert len(variant_probs(sampler, module, inputs(), tensors)) == 1
    np.testing.assert_allclose(weights(module), tensors["mean"].numpy(), rtol=1e-6, atol=1e-7)


def test_batch_norm_statistics_are_plain_averages_over_all_rows() -> None:
    module = network(nn.BatchNorm1d(8, momentum=0.1))
    x = inputs()
    norm = next(layer for layer in module.modules() if isinstance(layer, nn.BatchNorm1d))
    estimate_batch_norm(module, x, batch_size=len(x))
    normalised = module.body[:2](x).detach()
    torch.testing.assert_close(norm.running_mean, normalised.mean(0))
    torch.testing.assert_close(norm.running_var, normalised.var(0))
    assert norm.momentum == 0.1
    assert not norm.training


def test_the_step_size_of_a_cycle_falls_from_lr_to_0_by_half_a_cosine() -> None:
    sampler = Snapshot(3, 10, 0.2, "probs")
    assert sampler.step_size(0) == sampler.step_size(10) == 0.2
    assert sampler.step_size(5) == pytest.approx(0.1)
    assert sampler.step_size(9.999) < 1e-6
    assert all(sampler.step_size(t / 7) > sampler.step_size((t + 1) / 7) for t in range(60))


def test_snapshots_are_the_networks_at_the_ends_of_the_cycles() -> None:
    module, sampler = network(nn.BatchNorm1d(8)), Snapshot(3, 2, 0.1, "probs")
    tensors, after_epochs = collected(sampler, module)
    members = []
    for view in sampler.variants(module, tensors, inputs()):
        assert view is as_it_is
        members.append(weights(module))
    np.testing.assert_array_equal(np.stack(members), after_epochs[[1, 3, 5]])


@pytest.mark.parametrize("sampler", [SWAG(2, 3, 1e6, 2, 1.0, "probs"), Snapshot(1, 3, 1e6, "probs")])
def test_a_step_size_that_diverges_is_a_failed_run(sampler: Any) -> None:
    module = network()
    with pytest.raises(RunError, match="the loss is") as raised, seeded(0):
        sampler.collect(module, sample_task(module, inputs() * 1e3))
    assert ".lr=" in raised.value.hint
    assert math.isfinite(float(raised.value.hint.partition(".lr=")[2]))
