"""`BrierScore` and `NegativeLogLikelihood`: proper scores in modules."""

from __future__ import annotations

import torch

from calibench.metric_modules.top_label_sums import TopLabelSums, number


class BrierScore(TopLabelSums):
    """`mean over rows of sum_k (p_k - [y = k])^2`, in [0, 2]: the metric `brier` in a module."""

    plot_upper_bound = 2.0

    def compute(self) -> torch.Tensor:
        """The score of all rows so far."""
        stats = self.stats()
        return number(stats.brier_sum / stats.n)


class NegativeLogLikelihood(TopLabelSums):
    """`mean over rows of -ln p_y` in nats: the metric `nll` in a module. Of probabilities p is clipped at 1e-12."""

    def compute(self) -> torch.Tensor:
        """The mean of all rows so far."""
        stats = self.stats()
        return number(stats.nll_sum / stats.n)
