"""TopLabelSums: the state that calibration errors of the top label, the Brier score and NLL share, `4 (M + 2)` numbers."""

from __future__ import annotations

from typing import Any

import torch

from calibench.errors import InputError
from calibench.kernels import CalibrationAccumulator, CalibrationStats
from calibench.kernels import state as running
from calibench.kernels.accumulator import no_fault
from calibench.metric_modules.batch_rows import are_probabilities, class_rows
from calibench.metric_modules.torchmetrics_import import Metric


class TopLabelSums(Metric):
    """Sums over rows by bin of their confidence. Subclasses write `compute`. Modules with equal bins share a state in a collection.

    `preds` are probabilities or logits `[N, K, ...]`, `target` whole numbers `[N, ...]`; rows whose target is `ignore_index` do
    not count. `from_logits` tells which they are; None decides as torchmetrics does: a batch whose scores all lie in [0, 1] holds
    probabilities. Sums are kept in float64; a figure has torch's default type.
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False
    plot_lower_bound = 0.0
    sums: torch.Tensor
    fault: torch.Tensor

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
        self.num_classes, self.n_bins = num_classes, n_bins
        self.ignore_index, self.from_logits = ignore_index, from_logits
        accumulator = CalibrationAccumulator(n_bins)  # checks the number of bins
        self.add_state("sums", running.zero(n_bins, accumulator.device), dist_reduce_fx=added)
        self.add_state("fault", no_fault(accumulator.device), dist_reduce_fx=first_fault)

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        """Add a batch. InputError naming the first bad row of the batch; the sums are then unchanged."""
        scores, labels = class_rows(preds, target, self.num_classes, self.ignore_index)
        if scores.device != self.sums.device:
            message = f"predictions are on {scores.device} and the module on {self.sums.device}"
            raise InputError(message, f"move the module: .to({str(scores.device)!r})")
        if len(labels):
            from_probs = are_probabilities(scores, self.from_logits)
            CalibrationAccumulator.over(self.sums, self.fault, from_probs=from_probs).update(scores, labels)

    def stats(self) -> CalibrationStats[torch.Tensor]:
        """The sums so far."""
        return CalibrationAccumulator.over(self.sums, self.fault).compute()


def added(states: torch.Tensor) -> torch.Tensor:
    """The sum of the states of several processes `[R, M + 2, 4]`, in their order, with its rounding errors carried."""
    total = states[0].clone()
    for part in states[1:]:
        running.add(total, part)
    return total


def first_fault(faults: torch.Tensor) -> torch.Tensor:
    """The fault of the lowest bad row among those of several processes `[R, 2]`."""
    return faults[faults[:, 0].argmin()].clone()


def number(value: torch.Tensor) -> torch.Tensor:
    """A figure in torch's default type."""
    return value.to(torch.get_default_dtype())
