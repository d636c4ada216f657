"""The head of `vbll`: Gaussian weights and Gaussian noise of the logits, with a bound of the log-likelihood in closed form."""

from __future__ import annotations

import math

import torch
from torch import nn


class VBLLHead(nn.Module):
    """Logits `z_k = w_k f + e_k` with q(w_k) = N(m_k, L_k L_k^T) and e_k ~ N(0, s_k^2), for features `f [N, D]`; no bias.

    L_k is a lower triangle if `dense`, else a diagonal. `log_diagonal` and `noise_log_sd` are logarithms of standard
    deviations. Everything starts as in the library vbll: means N(0, 2/D), L_k near I / D, noise e^-1 times a random factor.
    """

    def __init__(self, feature_size: int, num_classes: int, dense: bool) -> None:
        super().__init__()
        shape = (num_classes, feature_size)
        self.mean = nn.Parameter(torch.randn(shape) * math.sqrt(2 / feature_size))
        self.log_diagonal = nn.Parameter(1e-3 * torch.randn(shape) - math.log(feature_size))
        self.noise_log_sd = nn.Parameter(torch.randn(num_classes) - 1)
        self.below: nn.Parameter | None = None
        """`[K, D, D]`: the numbers under the diagonal of each L_k; those on it and above it are not used."""
        if dense:
            self.below = nn.Parameter(1e-3 * torch.randn(*shape, feature_size) / feature_size)

    def logit_moments(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean `m_k f` and variance `f S_k f + s_k^2` of the logits, both `[N, K]`."""
        diagonal = self.log_diagonal.exp()
        if self.below is None:
            variance = features.square() @ diagonal.square().T
        else:
            factors = self.below.tril(-1) + torch.diag_embed(diagonal)
            variance = torch.matmul(features, factors).square().sum(dim=2).T
        return features @ self.mean.T, variance + (2 * self.noise_log_sd).exp()

    def bound(self, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """`m_y f - LSE_k(m_k f + variance_k / 2)`, `[N]` in nats: Jensen's bound of E log softmax(z)[y] from below."""
        mean, variance = self.logit_moments(features)
        return mean.gather(1, labels[:, None])[:, 0] - (mean + variance / 2).logsumexp(dim=1)

    def kl(self, prior_variance: float) -> torch.Tensor:
        """`KL(q || N(0, prior_variance I))` summed over the classes, a scalar in nats."""
        squares = self.mean.square().sum() + (2 * self.log_diagonal).exp().sum()
        if self.below is not None:
            squares = squares + self.below.tril(-1).square().sum()
        log_ratio = math.log(prior_variance) - 2 * self.log_diagonal
        return 0.5 * (squares / prior_variance + log_ratio.sum() - self.mean.numel())

    def noise_penalty(self, scale: float, dof: float) -> torch.Tensor:
        """Minus the log of the Wishart prior of the noise's precision: `a sum log s_k^2 + scale/2 sum 1/s_k^2`, a scalar.

        a = (dof + K + 1) / 2, as in the library vbll; constants are left out.
        """
        log_variance = 2 * self.noise_log_sd
        return (dof + len(log_variance) + 1) / 2 * log_variance.sum() + scale / 2 * (-log_variance).exp().sum()
