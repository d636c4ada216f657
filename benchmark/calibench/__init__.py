"""calibench: can I trust this classifier's confidence? Public names load lazily; importing calibench imports no torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from calibench.data.arrays import Arrays as Arrays
    from calibench.data.shift import Variant as Variant
    from calibench.errors import CalibenchError as CalibenchError
    from calibench.errors import CalibenchWarning as CalibenchWarning
    from calibench.errors import InputError as InputError
    from calibench.errors import PluginError as PluginError
    from calibench.errors import RunError as RunError
    from calibench.evaluation import evaluate as evaluate
    from calibench.from_python import run as run
    from calibench.hookspecs import hookimpl as hookimpl
    from calibench.metrics.metric import Metric as Metric
    from calibench.models.network import Network as Network
    from calibench.outputs import Outputs as Outputs
    from calibench.specs import REQUIRED as REQUIRED
    from calibench.specs import DatasetSpec as DatasetSpec
    from calibench.specs import MethodSpec as MethodSpec
    from calibench.specs import MetricSpec as MetricSpec
    from calibench.specs import ModelSpec as ModelSpec
    from calibench.specs import NoiseSpec as NoiseSpec
    from calibench.specs import Param as Param
    from calibench.specs import PresetSpec as PresetSpec
    from calibench.specs import ShiftSpec as ShiftSpec
    from calibench.stages import Calibrator as Calibrator
    from calibench.stages import DecisionRule as DecisionRule
    from calibench.stages import Ensemble as Ensemble
    from calibench.stages import HeadRefit as HeadRefit
    from calibench.stages import Objective as Objective
    from calibench.stages import Sampler as Sampler

_HOME = {
    "calibench.data.arrays": ("Arrays",),
    "calibench.data.shift": ("Variant",),
    "calibench.errors": ("CalibenchError", "CalibenchWarning", "InputError", "PluginError", "RunError"),
    "calibench.evaluation": ("evaluate",),
    "calibench.hookspecs": ("hookimpl",),
    "calibench.metrics.metric": ("Metric",),
    "calibench.models.network": ("Network",),
    "calibench.outputs": ("Outputs",),
    "calibench.from_python": ("run",),
    "calibench.specs": (
        "REQUIRED",
        "DatasetSpec",
        "MethodSpec",
        "MetricSpec",
        "ModelSpec",
        "NoiseSpec",
        "Param",
        "PresetSpec",
        "ShiftSpec",
    ),
    "calibench.stages": ("Calibrator", "DecisionRule", "Ensemble", "HeadRefit", "Objective", "Sampler"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = ["__version__", *sorted(_MODULE_OF)]  # noqa: PLE0604 - the names are strings


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(importlib.import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module 'calibench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULE_OF])
