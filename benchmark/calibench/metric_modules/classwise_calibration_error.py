"""`ClasswiseCalibrationError`: the ECE of every class's probability, averaged over classes."""

from __future__ import annotations

import torch

from calibench.metric_modules.batch_rows import are_probabilities, class_rows
from calibench.metric_modules.class_sums import ClassSums
from calibench.metric_modules.top_label_sums import number


class ClasswiseCalibrationError(ClassSums):
    """`1/K sum_k sum_b n_bk / N |mean p - share of labels|`, a fraction: the metric `classwise_ece15` in a module.

    Bins are those of `MulticlassCalibrationError`, of every class's probability. Source: Kull et al. 2019, who print the sum.
    """

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        """Add a batch of probabilities or logits `[N, K, ...]` and targets `[N, ...]`."""
        scores, labels = class_rows(preds, target, self.num_classes, self.ignore_index)
        self.add(scores, labels, from_probs=are_probabilities(scores, self.from_logits))

    def compute(self) -> torch.Tensor:
        """The error of all rows so far."""
        count, p, label = self.sums
        return number((p - label).abs().sum() / count.sum())  # every row is in one bin of each of K classes
