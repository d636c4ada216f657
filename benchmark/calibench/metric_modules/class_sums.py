"""ClassSums: the state of class-wise calibration errors, sums for each class and bin of its probability, `3 K M` numbers."""

from __future__ import annotations

from typing import Any

import torch

from calibench.kernels import classwise_stats
from calibench.kernels.checks import check_bins
from calibench.metric_modules.torchmetrics_import import Metric


class ClassSums(Metric):
    """Counts, sums of probabilities and counts of labels by class and bin. Subclasses write `update` and `compute`."""

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0
    sums: torch.Tensor

    def __init__(
        self,
        num_classes: int,
        n_bins: int = 15,
        *,
        ignore_index: int | None = None,
        from_logits: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_classes, self.n_bins = num_classes, check_bins(type(self).__name__, n_bins)
        self.ignore_index, self.from_logits = ignore_index, from_logits
        self.add_state("sums", torch.zeros(3, num_classes, n_bins, dtype=torch.float64), dist_reduce_fx="sum")

    def add(self, scores: torch.Tensor, labels: torch.Tensor, from_probs: bool) -> None:
        """Add rows `[N, K]`; InputError naming the first bad one."""
        if len(labels):
            self.sums += torch.stack(list(classwise_stats(scores, labels, self.n_bins, from_probs=from_probs)))
