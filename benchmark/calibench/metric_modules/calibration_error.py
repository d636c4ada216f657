"""`BinaryCalibrationError`, `MulticlassCalibrationError` and `CalibrationError`, in place of torchmetrics' of these names."""

from __future__ import annotations

from typing import Any, Literal

import torch

from calibench.errors import InputError, did_you_mean
from calibench.metric_modules.batch_rows import binary_rows
from calibench.metric_modules.class_sums import ClassSums
from calibench.metric_modules.top_label_sums import TopLabelSums, number
from calibench.metric_modules.torchmetrics_import import Metric

Norm = Literal["l1", "l2", "max"]


class MulticlassCalibrationError(TopLabelSums):
    """ECE of the top label: `sum_b n_b / N |conf_b - acc_b|`; `norm="l2"` is the root of the mean squared gap, `max` the largest.

    Figures and arguments are those of torchmetrics' class of this name, but for bins: M equal-width bins `(lo, hi]`, with a
    confidence of exactly 1 in the last; torchmetrics has `[lo, hi)` and one more bin for 1. Batches are not kept.
    `validate_args` changes nothing: rows are always checked. `from_logits` as in `TopLabelSums`.
    """

    plot_upper_bound = 1.0

    def __init__(
        self,
        num_classes: int,
        n_bins: int = 15,
        norm: Norm = "l1",
        ignore_index: int | None = None,
        validate_args: bool = True,
        from_logits: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes, n_bins, ignore_index=ignore_index, from_logits=from_logits, **kwargs)
        self.norm, self.validate_args = checked_norm(norm), validate_args

    def compute(self) -> torch.Tensor:
        """The error of all rows so far, a fraction."""
        stats = self.stats()
        return number(_error(stats.confidence_sum - stats.correct_sum, stats.count, self.norm))


class BinaryCalibrationError(ClassSums):
    """The calibration error of the probability of class 1: bins hold predictions `[N, ...]`, gaps are to the share of ones.

    Bins, norms and arguments as in `MulticlassCalibrationError`. It is not the ECE of the top label.
    """

    def __init__(
        self,
        n_bins: int = 15,
        norm: Norm = "l1",
        ignore_index: int | None = None,
        validate_args: bool = True,
        from_logits: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(2, n_bins, ignore_index=ignore_index, from_logits=from_logits, **kwargs)
        self.norm, self.validate_args = checked_norm(norm), validate_args

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        """Add a batch: probabilities or logits of class 1, and targets 0 and 1."""
        p, labels = binary_rows(preds, target, self.ignore_index, self.from_logits)
        self.add(p, labels, from_probs=True)

    def compute(self) -> torch.Tensor:
        """The error of all rows so far, a fraction."""
        count, p, ones = self.sums[:, 1]
        return number(_error(p - ones, count, self.norm))


class CalibrationError:
    """`BinaryCalibrationError` for the task `binary`, `MulticlassCalibrationError` for `multiclass`."""

    def __new__(  # type: ignore[misc]  # as torchmetrics' wrapper does
        cls,
        task: Literal["binary", "multiclass"],
        n_bins: int = 15,
        norm: Norm = "l1",
        num_classes: int | None = None,
        **kwargs: Any,
    ) -> Metric:
        """The module of the task; InputError for another task, and for several classes without their number."""
        if task == "binary":
            return BinaryCalibrationError(n_bins, norm, **kwargs)
        if task != "multiclass":
            raise InputError(f"there is no task {task!r}", did_you_mean(str(task), ("binary", "multiclass")))
        if num_classes is None:
            raise InputError("the number of classes is missing", "CalibrationError(task='multiclass', num_classes=10)")
        return MulticlassCalibrationError(num_classes, n_bins, norm, **kwargs)


def checked_norm(norm: str) -> Norm:
    """The norm, if it is one."""
    if norm not in ("l1", "l2", "max"):
        raise InputError(f"there is no norm {norm!r}", "use l1, l2 or max")
    return norm  # type: ignore[return-value]  # just checked


def _error(gap_sums: torch.Tensor, count: torch.Tensor, norm: Norm) -> torch.Tensor:
    total = count.sum()
    if norm == "l1":
        return gap_sums.abs().sum() / total
    gaps = gap_sums.abs() / count.clamp_min(1)
    return gaps.max() if norm == "max" else (count * gaps.square()).sum().div(total).sqrt()
