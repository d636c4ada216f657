"""`anl`: the L1 norm of the trained weights joins each step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from objective_cases import K, N, build
from torch import nn

from calibench.stages import Batch


def case() -> tuple[nn.Linear, Batch]:
    rng = np.random.default_rng(2)
    network = nn.Linear(3, K, dtype=torch.float64)
    network.weight.data = torch.from_numpy(rng.normal(size=(K, 3)))
    network.bias.data = torch.from_numpy(rng.normal(size=K))
    batch = Batch(torch.from_numpy(rng.normal(size=(N, 3))), torch.from_numpy(rng.integers(K, size=N)), torch.arange(N))
    return network, batch


def test_a_step_adds_the_weighted_l1_norm() -> None:
    network, batch = case()
    norm = float(np.abs(network.weight.detach().numpy()).sum() + np.abs(network.bias.detach().numpy()).sum())
    with_norm = float(build("anl:l1=0.25").step(network, batch).detach())
    without = float(build("anl:l1=0").step(network, batch).detach())
    assert without == float(build("anl").loss(network(batch.x), batch).detach())
    assert with_norm - without == pytest.approx(0.25 * norm, rel=1e-12)


def test_the_gradient_of_the_norm_is_the_sign_of_each_weight() -> None:
    network, batch = case()
    gradients = []
    for recipe in ("anl:l1=0", "anl:l1=0.5"):
        network.zero_grad()
        build(recipe).step(network, batch).backward()
        assert network.weight.grad is not None
        gradients.append(network.weight.grad.clone())
    torch.testing.assert_close(gradients[1] - gradients[0], 0.5 * network.weight.detach().sign())


def test_frozen_weights_are_not_in_the_norm() -> None:
    network, batch = case()
    network.weight.requires_grad_(False)
    difference = float((build("anl:l1=1").step(network, batch) - build("anl:l1=0").step(network, batch)).detach())
    assert difference == pytest.approx(float(network.bias.detach().abs().sum()), rel=1e-12)
