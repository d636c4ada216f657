"""calibench: can I trust this classifier's confidence? Public names load lazily; importing calibench imports no torch."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from calibench import moved
from calibench.lazy import exports
from calibench.version import API_VERSION, __version__

moved.install()
if os.environ.get("CALIBENCH_PLUGIN_FILES"):
    from calibench.plugins.one_off import install_finder

    install_finder()

if TYPE_CHECKING:
    from calibench.api import run as run
    from calibench.data.arrays import Arrays as Arrays
    from calibench.data.shift import Variant as Variant
    from calibench.errors import CalibenchError as CalibenchError
    from calibench.errors import CalibenchWarning as CalibenchWarning
    from calibench.errors import InputError as InputError
    from calibench.errors import PluginError as PluginError
    from calibench.errors import RunError as RunError
    from calibench.evaluation.compare import compare as compare
    from calibench.evaluation.evaluate import evaluate as evaluate
    from calibench.evaluation.evaluate import evaluate_stream as evaluate_stream
    from calibench.evaluation.gate.gate import gate as gate
    from calibench.evaluation.thresholds import thresholds as thresholds
    from calibench.leaderboard.results import results as results
    from calibench.maps.apply import apply_map as apply_map
    from calibench.maps.calibration_map import CalibrationMap as CalibrationMap
    from calibench.maps.calibration_map import load_map as load_map
    from calibench.maps.fit import fit_map as fit_map
    from calibench.maps.wrap import wrap as wrap
    from calibench.metrics.metric import Metric as Metric
    from calibench.models.network import Network as Network
    from calibench.outputs import Outputs as Outputs
    from calibench.outputs.content import Content as Content
    from calibench.outputs.readers.read import read_samples as read_samples
    from calibench.plugins.events import EpochFinished as EpochFinished
    from calibench.plugins.events import MetricComputed as MetricComputed
    from calibench.plugins.events import RunFacts as RunFacts
    from calibench.plugins.events import RunFinished as RunFinished
    from calibench.plugins.events import RunStarted as RunStarted
    from calibench.plugins.events import StageFinished as StageFinished
    from calibench.plugins.events import SweepCellFinished as SweepCellFinished
    from calibench.plugins.hookspecs import hookimpl as hookimpl
    from calibench.plugins.kit import specs_in as specs_in
    from calibench.plugins.load_plugin import load_plugin as load_plugin
    from calibench.plugins.params import REQUIRED as REQUIRED
    from calibench.plugins.params import Param as Param
    from calibench.plugins.specs import DatasetSpec as DatasetSpec
    from calibench.plugins.specs import LauncherSpec as LauncherSpec
    from calibench.plugins.specs import MethodSpec as MethodSpec
    from calibench.plugins.specs import MetricSpec as MetricSpec
    from calibench.plugins.specs import ModelSpec as ModelSpec
    from calibench.plugins.specs import NoiseSpec as NoiseSpec
    from calibench.plugins.specs import OodScoreSpec as OodScoreSpec
    from calibench.plugins.specs import PresetSpec as PresetSpec
    from calibench.plugins.specs import ReaderSpec as ReaderSpec
    from calibench.plugins.specs import ShiftSpec as ShiftSpec
    from calibench.plugins.specs import SuiteSpec as SuiteSpec
    from calibench.plugins.specs import TrackerSpec as TrackerSpec
    from calibench.runs.load_run import load_run as load_run
    from calibench.runs.site import write_report as write_report
    from calibench.runs.site import write_site as write_site
    from calibench.stages import Calibrator as Calibrator
    from calibench.stages import DecisionRule as DecisionRule
    from calibench.stages import Ensemble as Ensemble
    from calibench.stages import HeadRefit as HeadRefit
    from calibench.stages import Objective as Objective
    from calibench.stages import OodScore as OodScore
    from calibench.stages import Sampler as Sampler

_HOME = {
    "calibench.api": ("run",),
    "calibench.data.arrays": ("Arrays",),
    "calibench.data.shift": ("Variant",),
    "calibench.errors": ("CalibenchError", "CalibenchWarning", "InputError", "PluginError", "RunError"),
    "calibench.evaluation.compare": ("compare",),
    "calibench.evaluation.evaluate": ("evaluate", "evaluate_stream"),
    "calibench.leaderboard.results": ("results",),
    "calibench.maps.apply": ("apply_map",),
    "calibench.maps.calibration_map": ("CalibrationMap", "load_map"),
    "calibench.maps.fit": ("fit_map",),
    "calibench.maps.wrap": ("wrap",),
    "calibench.evaluation.gate.gate": ("gate",),
    "calibench.evaluation.thresholds": ("thresholds",),
    "calibench.metrics.metric": ("Metric",),
    "calibench.models.network": ("Network",),
    "calibench.outputs": ("Outputs",),
    "calibench.outputs.content": ("Content",),
    "calibench.outputs.readers.read": ("read_samples",),
    "calibench.plugins.events": (
        "EpochFinished",
        "MetricComputed",
        "RunFacts",
        "RunFinished",
        "RunStarted",
        "StageFinished",
        "SweepCellFinished",
    ),
    "calibench.plugins.hookspecs": ("hookimpl",),
    "calibench.plugins.kit": ("specs_in",),
    "calibench.plugins.load_plugin": ("load_plugin",),
    "calibench.plugins.params": ("REQUIRED", "Param"),
    "calibench.plugins.specs": (
        "DatasetSpec",
        "LauncherSpec",
        "MethodSpec",
        "MetricSpec",
        "ModelSpec",
        "NoiseSpec",
        "OodScoreSpec",
        "PresetSpec",
        "ReaderSpec",
        "ShiftSpec",
        "SuiteSpec",
        "TrackerSpec",
    ),
    "calibench.runs.load_run": ("load_run",),
    "calibench.runs.site": ("write_report", "write_site"),
    "calibench.stages": ("Calibrator", "DecisionRule", "Ensemble", "HeadRefit", "Objective", "OodScore", "Sampler"),
}
__all__ = ["API_VERSION", "__version__", *sorted(name for names in _HOME.values() for name in names)]  # noqa: PLE0604 - the names are strings

_attribute = exports(__name__, _HOME, moved.attribute)


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first used; InputError if it needs torch and there is none."""
    try:
        return _attribute(name)
    except ModuleNotFoundError as error:
        from calibench.errors import NoTorchError, lacks_torch

        if lacks_torch(error):
            raise NoTorchError(f"calibench.{name}") from error
        raise


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
