"""`MulticlassAccuracy`, in place of torchmetrics' of this name."""

from __future__ import annotations

from typing import Any, Literal

import torch

from calibench.errors import InputError
from calibench.metric_modules.batch_rows import class_rows
from calibench.metric_modules.top_label_sums import number
from calibench.metric_modules.torchmetrics_import import Metric

Average = Literal["micro", "macro", "weighted", "none"]


class MulticlassAccuracy(Metric):
    """The share of right answers: of all rows (`micro`), the mean over classes (`macro`, `weighted`), or of each (`none`).

    Arguments and figures are those of torchmetrics' class of this name; `top_k` other than 1 and samplewise figures are refused.
    A class that is neither a target nor an answer does not count in the mean.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    plot_lower_bound, plot_upper_bound = 0.0, 1.0
    counts: torch.Tensor

    def __init__(
        self,
        num_classes: int,
        top_k: int = 1,
        average: Average | None = "macro",
        multidim_average: str = "global",
        ignore_index: int | None = None,
        validate_args: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        average = "none" if average is None else average
        if average not in ("micro", "macro", "weighted", "none"):
            raise InputError(f"there is no average {average!r}", "use micro, macro, weighted or none")
        if top_k != 1 or multidim_average != "global":
            raise InputError(
                f"top_k={top_k}, multidim_average={multidim_average!r}: the top label of all rows is what counts here",
                "torchmetrics.classification.MulticlassAccuracy has the others",
            )
        self.num_classes, self.average = num_classes, average
        self.ignore_index, self.validate_args = ignore_index, validate_args
        self.add_state("counts", torch.zeros(3, num_classes, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        """Add a batch: scores `[N, K, ...]`, or answers as whole numbers of the targets' shape, and targets `[N, ...]`."""
        if preds.is_floating_point():
            scores, labels = class_rows(preds, target, self.num_classes, self.ignore_index)
            answers = scores.argmax(dim=1)
        else:
            if preds.shape != target.shape:
                shapes = f"answers {list(preds.shape)} and targets {list(target.shape)}"
                raise InputError(f"{shapes} do not fit each other", "give one answer a target, or scores [N, K, ...]")
            kept = (
                target != self.ignore_index
                if self.ignore_index is not None
                else torch.ones_like(target, dtype=torch.bool)
            )
            answers, labels = preds[kept], target[kept]
        for name, values in (("answer", answers), ("target", labels)):
            outside = (values < 0) | (values >= self.num_classes)
            if bool(outside.any()):
                row = int(outside.nonzero()[0])
                raise InputError(
                    f"row {row}: {name} {int(values[row])} is no class", f"use 0 to {self.num_classes - 1}"
                )
        for place, values in enumerate((labels[answers == labels], answers, labels)):
            self.counts[place] += torch.bincount(values, minlength=self.num_classes)

    def compute(self) -> torch.Tensor:
        """The share, `[K]` for the average `none`."""
        right, answered, wanted = self.counts
        if self.average == "micro":
            return number(right.sum() / wanted.sum())
        shares = right / wanted.clamp_min(1)
        if self.average == "none":
            return number(shares)
        weight = wanted if self.average == "weighted" else (answered + wanted > 0).double()
        return number((shares * weight).sum() / weight.sum())
