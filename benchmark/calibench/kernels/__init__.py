"""Typed functions over the fused operators, and the float64 reference that defines their results.

The operators are those of `torch.ops.calibench` for tensors, and of `calibench._C` for numpy arrays. Importing this package
imports no torch. Once torch is imported, before or after, the operators are loaded, so that programs saved by torch.export
find them.
"""

from calibench.kernels.accumulator import CalibrationAccumulator
from calibench.kernels.bootstrap import BootstrapBins, bootstrap_bins
from calibench.kernels.class_rows import (
    ClassTable,
    DrawnLabels,
    class_table,
    gap_sizes,
    label_draws,
    resample_class_errors,
    resample_class_gaps,
)
from calibench.kernels.classwise import ClasswiseStats, classwise_stats
from calibench.kernels.loader import (
    Backend,
    BuildInfo,
    ExtensionStatus,
    backend,
    build_info,
    extension_status,
    numpy_backend,
)
from calibench.kernels.nll_curve import NllCurve, nll_curve
from calibench.kernels.numpy_operators import set_threads, threads
from calibench.kernels.resampling import resample_counts, resample_group_sums, resample_risks, resample_sums
from calibench.kernels.result import Result, register_results
from calibench.kernels.signatures import JUDGING_OPS, OPS
from calibench.kernels.state import chunk_rows
from calibench.kernels.stats import CalibrationSamples, CalibrationStats, calibration_stats
from calibench.kernels.temperature_fit import TemperatureFit, fit_temperature
from calibench.kernels.thresholds import (
    ThresholdDecision,
    ThresholdSets,
    sigmoid_threshold,
    softmax_threshold,
    softmax_threshold_sets,
)
from calibench.kernels.torch_import import when_torch


def _load_operators() -> None:
    extension_status()
    register_results()


when_torch(_load_operators)

__all__ = [
    "JUDGING_OPS",
    "OPS",
    "Backend",
    "BootstrapBins",
    "BuildInfo",
    "CalibrationAccumulator",
    "CalibrationSamples",
    "CalibrationStats",
    "ClassTable",
    "ClasswiseStats",
    "DrawnLabels",
    "ExtensionStatus",
    "NllCurve",
    "Result",
    "TemperatureFit",
    "ThresholdDecision",
    "ThresholdSets",
    "backend",
    "bootstrap_bins",
    "build_info",
    "calibration_stats",
    "chunk_rows",
    "class_table",
    "classwise_stats",
    "extension_status",
    "fit_temperature",
    "gap_sizes",
    "label_draws",
    "nll_curve",
    "numpy_backend",
    "resample_class_errors",
    "resample_class_gaps",
    "resample_counts",
    "resample_group_sums",
    "resample_risks",
    "resample_sums",
    "set_threads",
    "sigmoid_threshold",
    "softmax_threshold",
    "softmax_threshold_sets",
    "threads",
]
