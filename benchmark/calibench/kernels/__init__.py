"""Typed functions over the fused operators `torch.ops.calibench.*`, and the float64 reference behind them."""

from calibench.kernels.loader import Backend, BuildInfo, ExtensionStatus, backend, build_info, extension_status
from calibench.kernels.stats import CalibrationSamples, CalibrationStats, calibration_stats

__all__ = [
    "Backend",
    "BuildInfo",
    "CalibrationSamples",
    "CalibrationStats",
    "ExtensionStatus",
    "backend",
    "build_info",
    "calibration_stats",
    "extension_status",
]
