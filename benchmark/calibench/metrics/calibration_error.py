"""The formula of the expected calibration error (ECE), in one place for all ways to bin samples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from calibench.lazy import np
from calibench.metrics.binning import Floats
from calibench.outputs.arrays import as_array

if TYPE_CHECKING:
    from calibench.kernels import CalibrationStats


def expected_calibration_error(gap_sums: Floats, total: Floats | float, axis: int | tuple[int, ...] = -1) -> Floats:
    """`sum over bins of n_b / N * |conf_b - acc_b|`, with `conf_b` and `acc_b` the means of bin b; a fraction.

    n_b cancels: the error is `sum over bins of |gap_b| / N`, where the gap sum `gap_b` is `sum(confidence) - sum(correct)`
    in bin b. `gap_sums` has the bins along `axis`, and `total` is N. An empty bin adds 0.
    """
    error: Floats = np.abs(gap_sums).sum(axis=axis) / total
    return error


def ece_of(stats: CalibrationStats[Any]) -> float:
    """ECE of the bin sums that a kernel or `Judged.stats` returns; NaN if they count no sample."""
    n = float(stats.n)
    gap_sums = as_array(stats.confidence_sum - stats.correct_sum)
    return float(expected_calibration_error(gap_sums, n)) if n else math.nan
