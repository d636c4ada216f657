"""`mixup`: a step equals its formula for the weight and the order drawn, and weights are Beta-distributed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from objective_cases import K, N, build, log_softmax
from torch import nn

from calibench.stages import Batch


@pytest.mark.parametrize("alpha", [0.2, 1.0, 1e-3])
def test_a_step_equals_the_formula(alpha: float) -> None:
    rng = np.random.default_rng(0)
    x, weight, y = rng.normal(size=(N, 3)), rng.normal(size=(K, 3)), rng.integers(K, size=N)
    network = nn.Linear(3, K, bias=False, dtype=torch.float64)
    network.weight.data = torch.from_numpy(weight)
    torch.manual_seed(3)
    batch = Batch(torch.from_numpy(x), torch.from_numpy(y), torch.arange(N))
    loss = float(build(f"mixup:alpha={alpha}").step(network, batch).detach())
    torch.manual_seed(3)
    m = float(torch.distributions.Beta(*torch.tensor([alpha, alpha], dtype=torch.float64)).sample())
    order = torch.randperm(N).numpy()
    log_p = log_softmax((m * x + (1 - m) * x[order]) @ weight.T)
    rows = np.arange(N)
    assert 0 <= m <= 1
    assert loss == pytest.approx(-(m * log_p[rows, y] + (1 - m) * log_p[rows, y[order]]).mean(), rel=1e-12)


class FirstInput(nn.Module):
    """Keeps the first number of every batch."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[float] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.values.append(float(x[0, 0]))
        return torch.zeros(len(x), K)


def test_mixing_weights_are_beta_distributed() -> None:
    """Inputs are 1 and 0. Half of the time the rows are mixed with each other, so that the first input is the weight."""
    objective, network = build("mixup:alpha=0.5"), FirstInput()
    batch = Batch(torch.tensor([[1.0], [0.0]]), torch.tensor([0, 1]), torch.arange(2))
    torch.manual_seed(0)
    for _ in range(1500):
        objective.step(network, batch)
    weights = np.array([value for value in network.values if value != 1.0])
    assert weights.mean() == pytest.approx(0.5, abs=0.03)
    assert weights.var() == pytest.approx(1 / (4 * (2 * 0.5 + 1)), rel=0.08)  # Beta(a, a) has variance 1 / (4 (2a + 1))
