"""The float64 definition of every kernel in plain torch operations; tests compare the fused kernels with it.

No result depends on the number of threads. The reference runs on one thread, because torch would split a long row over
threads and add it up in another order. It takes sums with `math.fsum`, which rounds once, or in chunks of fixed size.

`caller` is the name of the public function; the message of an error starts with it.
"""

from calibench.kernels.reference.bootstrap_bins import bootstrap_bins
from calibench.kernels.reference.calibration_stats import calibration_stats, calibration_update
from calibench.kernels.reference.class_rows import (
    class_table,
    gap_sizes,
    label_draws,
    resample_class_errors,
    resample_class_gaps,
)
from calibench.kernels.reference.classwise_stats import classwise_stats
from calibench.kernels.reference.nll_curve import nll_curve
from calibench.kernels.reference.resampling import resample_counts, resample_group_sums, resample_risks, resample_sums
from calibench.kernels.reference.thresholds import sigmoid_threshold, softmax_threshold, softmax_threshold_sets

__all__ = [
    "bootstrap_bins",
    "calibration_stats",
    "calibration_update",
    "class_table",
    "classwise_stats",
    "gap_sizes",
    "label_draws",
    "nll_curve",
    "resample_class_errors",
    "resample_class_gaps",
    "resample_counts",
    "resample_group_sums",
    "resample_risks",
    "resample_sums",
    "sigmoid_threshold",
    "softmax_threshold",
    "softmax_threshold_sets",
]
