"""ECE of the validation rows of all processes, shown while stage 1 trains."""

from __future__ import annotations

import torch

from calibench.kernels import CalibrationAccumulator
from calibench.metrics.calibration_error import ece_of
from calibench.processes import Processes


def streamed_ece(logits: torch.Tensor, labels: torch.Tensor, processes: Processes) -> float:
    """ECE over 15 bins, a fraction; each process brings its own rows `[n, K]` and `[n]`, n may be 0. NaN without any row.

    Rows that are not finite do not count: the figure is only shown, and outputs that are judged are checked later.
    """
    accumulator = CalibrationAccumulator()
    if len(logits) and bool(logits.isfinite().all()):
        accumulator.update(logits, labels)
    if processes.size > 1:
        accumulator.all_reduce()
    return ece_of(accumulator.compute())
