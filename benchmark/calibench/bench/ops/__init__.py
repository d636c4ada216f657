"""One file per operator, and one for a whole judgement: contenders, their inputs, and how closely they must agree."""

from __future__ import annotations

from calibench.bench.case import Op
from calibench.bench.ops import (
    bootstrap_bins,
    calibration_stats,
    calibration_update,
    classwise_stats,
    fit_temperature,
    judge,
    nll_curve,
    softmax_threshold,
    threshold_sets,
)

OPS: dict[str, Op] = {
    op.name: op
    for op in (
        calibration_stats.OP,
        calibration_update.OP,
        classwise_stats.OP,
        softmax_threshold.OP,
        threshold_sets.SOFTMAX,
        threshold_sets.SIGMOID,
        nll_curve.OP,
        fit_temperature.OP,
        bootstrap_bins.OP,
    )
}
"""The ops of `calibench bench kernels`."""

JUDGE: dict[str, Op] = {judge.OP.name: judge.OP}
"""The op of `calibench bench judge`."""
