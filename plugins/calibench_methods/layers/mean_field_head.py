"""The last layer of `mean-field`: a factorised Gaussian over its weights."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

INITIAL_SD = 0.01
"""Standard deviation of every weight at the start: training begins close to a point estimate."""


class MeanFieldHead(nn.Module):
    """Weights `[K, D]` and biases `[K]`, each with q = N(mean, softplus(rho)^2); logits are drawn by local reparameterisation.

    For features f, logit k is drawn from N(m_k f + b_k, s_k^2 f^2 + t_k^2), once per row (Kingma et al. 2015). Its marginal
    distribution is the same as if the weights were drawn for each row.
    """

    def __init__(self, feature_size: int, num_classes: int) -> None:
        super().__init__()
        start = nn.Linear(feature_size, num_classes)
        rho = math.log(math.expm1(INITIAL_SD))
        self.weight = nn.Parameter(start.weight.detach())
        self.bias = nn.Parameter(start.bias.detach())
        self.weight_rho = nn.Parameter(torch.full_like(start.weight, rho).detach())
        self.bias_rho = nn.Parameter(torch.full_like(start.bias, rho).detach())

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Draw logits `[n, K]` for features `[n, D]`."""
        mean = functional.linear(features, self.weight, self.bias)
        weight_sd, bias_sd = functional.softplus(self.weight_rho), functional.softplus(self.bias_rho)
        variance = functional.linear(features.square(), weight_sd.square(), bias_sd.square())
        return mean + variance.sqrt() * torch.randn_like(mean)

    def kl(self, prior_sd: float) -> torch.Tensor:
        """`KL(q || N(0, prior_sd^2))` summed over weights and biases, a scalar in nats."""
        total = self.weight.new_zeros(())
        for mean, rho in ((self.weight, self.weight_rho), (self.bias, self.bias_rho)):
            ratio = functional.softplus(rho) / prior_sd
            total = total + (0.5 * (ratio.square() + (mean / prior_sd).square() - 1) - ratio.log()).sum()
        return total
