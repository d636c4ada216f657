"""The float64 definition of every kernel in plain torch operations: what the fused kernels are tested against.

It runs on one thread, because torch splits a long row over threads and then adds it up in another order, and it takes
its sums with `math.fsum`, which rounds once, or in chunks of fixed size: so no result depends on the number of threads.
"""

from calibench.kernels.reference.bootstrap_bins import bootstrap_bins
from calibench.kernels.reference.calibration_stats import calibration_stats, calibration_update
from calibench.kernels.reference.classwise_stats import classwise_stats
from calibench.kernels.reference.nll_curve import nll_curve
from calibench.kernels.reference.thresholds import sigmoid_threshold, softmax_threshold, softmax_threshold_sets

__all__ = [
    "bootstrap_bins",
    "calibration_stats",
    "calibration_update",
    "classwise_stats",
    "nll_curve",
    "sigmoid_threshold",
    "softmax_threshold",
    "softmax_threshold_sets",
]
