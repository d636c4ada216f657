"""Registers the methods of this package, which are described kind by kind beside it; imports no torch."""

from calibench import MethodSpec, PresetSpec, hookimpl
from calibench_methods.calibrator_specs import CALIBRATORS
from calibench_methods.decision_specs import DECISIONS
from calibench_methods.ensemble_specs import ENSEMBLES, SAMPLERS
from calibench_methods.objective_specs import OBJECTIVES
from calibench_methods.preset_specs import PRESETS
from calibench_methods.refit_specs import REFITS


@hookimpl
def calibench_methods() -> list[MethodSpec]:
    """Objectives, head refits, samplers, ensembles, calibrators, decision rules."""
    return [*OBJECTIVES, *REFITS, *SAMPLERS, *ENSEMBLES, *CALIBRATORS, *DECISIONS]


@hookimpl
def calibench_presets() -> list[PresetSpec]:
    """Whole runs by name."""
    return list(PRESETS)
