"""The head of `sngp`: a Gaussian process by random Fourier features, with a Laplace approximation for each class."""

from __future__ import annotations

import math

import torch
from torch import nn

BLOCK = 256
"""Rows whose variances are computed at a time: K x R x 256 floats."""


class RandomFeatures(nn.Module):
    """`logits_k = beta_k phi(f)` with `phi(f) = sqrt(2/R) cos(W z + b)`, for features `f [N, D]`; only beta is trained.

    z = (f - mean) / (sd sqrt(D) length_scale), with the training rows' mean and sd of each feature; W ~ N(0, 1), b uniform.
    Then `phi(f) phi(g)` is close to the kernel `exp(-||z_f - z_g||^2 / 2)`.
    """

    frequencies: torch.Tensor
    phases: torch.Tensor
    centre: torch.Tensor
    scale: torch.Tensor

    def __init__(self, feature_size: int, num_classes: int, count: int, length_scale: float) -> None:
        super().__init__()
        self.length_scale = length_scale
        self.register_buffer("frequencies", torch.randn(count, feature_size))
        self.register_buffer("phases", 2 * math.pi * torch.rand(count))
        self.register_buffer("centre", torch.zeros(feature_size))
        self.register_buffer("scale", torch.ones(feature_size))
        self.beta = nn.Parameter(torch.zeros(num_classes, count))

    def standardize(self, features: torch.Tensor) -> None:
        """Take mean and standard deviation from the training features; a feature that never changes counts nothing."""
        sd = features.std(dim=0, correction=0)
        size = math.sqrt(features.shape[1]) * self.length_scale
        self.centre.copy_(features.mean(dim=0))
        self.scale.copy_(torch.where(sd > 0, 1 / (sd * size), 0.0))

    def phi(self, features: torch.Tensor) -> torch.Tensor:
        """Random features `[N, R]`."""
        z = (features - self.centre) * self.scale
        return math.sqrt(2 / len(self.phases)) * torch.cos(z @ self.frequencies.T + self.phases)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Mean logits `[N, K]`."""
        logits: torch.Tensor = self.phi(features) @ self.beta.T
        return logits


class GaussianProcessHead(nn.Module):
    """The trained `RandomFeatures`, and for each class the Cholesky factor `[R, R]` of the posterior precision of beta."""

    factors: torch.Tensor

    def __init__(self, mean: RandomFeatures) -> None:
        super().__init__()
        self.mean = mean
        classes, count = mean.beta.shape
        self.register_buffer("factors", torch.eye(count).repeat(classes, 1, 1))

    def fit_precision(self, features: torch.Tensor, ridge: float) -> None:
        """Precisions `ridge I + sum over rows of p_k (1 - p_k) phi phi^T` of the training rows, computed in float64."""
        with torch.no_grad():
            phi, probs = self.mean.phi(features).double(), self.mean(features).double().softmax(dim=1)
            prior = ridge * torch.eye(phi.shape[1], dtype=phi.dtype, device=phi.device)
            for k, p in enumerate(probs.T):
                precision = prior + (phi * (p * (1 - p))[:, None]).T @ phi
                self.factors[k] = torch.linalg.cholesky(precision).float()

    def moments(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and variance `phi P_k^-1 phi` of the logits, both `[N, K]`."""
        variances = []
        for rows in self.mean.phi(features).split(BLOCK):
            solved = torch.linalg.solve_triangular(self.factors, rows.T.expand(len(self.factors), -1, -1), upper=False)
            variances.append(solved.square().sum(dim=1).T)
        return self.mean(features), torch.cat(variances)
