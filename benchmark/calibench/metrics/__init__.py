"""Metrics of a classifier's confidence, one a file, with bootstrap intervals and noise floors.

`metric.py` holds the base class that a plugin author subclasses, and `judged.py` all that a metric may look at. A file that
holds a metric has the name that users type; its `SPEC` stands above the class, and `plugin.py` registers it. All other files
hold code that metrics share. `bootstrap.py` and `noise_floor.py` tell how certain a figure is; `calibench.evaluation.judge` runs
them all.

`calibench.metrics.MulticlassCalibrationError` and the other names below are modules for a training loop, under torchmetrics'
names; they live in `calibench.metric_modules` and are imported on first use. So listing metrics loads neither numpy nor torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench.lazy import exports

if TYPE_CHECKING:
    from calibench.metric_modules.accuracy import MulticlassAccuracy as MulticlassAccuracy
    from calibench.metric_modules.calibration_error import BinaryCalibrationError as BinaryCalibrationError
    from calibench.metric_modules.calibration_error import CalibrationError as CalibrationError
    from calibench.metric_modules.calibration_error import MulticlassCalibrationError as MulticlassCalibrationError
    from calibench.metric_modules.classwise_calibration_error import (
        ClasswiseCalibrationError as ClasswiseCalibrationError,
    )
    from calibench.metric_modules.proper_scores import BrierScore as BrierScore
    from calibench.metric_modules.proper_scores import NegativeLogLikelihood as NegativeLogLikelihood

_HOME = {
    "calibench.metric_modules.accuracy": ("MulticlassAccuracy",),
    "calibench.metric_modules.calibration_error": (
        "BinaryCalibrationError",
        "CalibrationError",
        "MulticlassCalibrationError",
    ),
    "calibench.metric_modules.classwise_calibration_error": ("ClasswiseCalibrationError",),
    "calibench.metric_modules.proper_scores": ("BrierScore", "NegativeLogLikelihood"),
}
__all__ = [*sorted(name for names in _HOME.values() for name in names)]  # noqa: PLE0604 - the names are strings

__getattr__ = exports(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
