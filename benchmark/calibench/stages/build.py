"""Build a recipe's stage or an OOD score from its spec, and refuse a target that is not of the base class of the spec's kind."""

from __future__ import annotations

import json
from typing import Any

from calibench.config.grammar import Bound, who
from calibench.errors import PluginError, RunError, blaming
from calibench.plugins.specs import kind_of
from calibench.stages import Calibrator, DecisionRule, Ensemble, HeadRefit, Objective, OodScore, Sampler

BASES: dict[str, type] = {
    "objective": Objective,
    "refit": HeadRefit,
    "sampler": Sampler,
    "ensemble": Ensemble,
    "calibrator": Calibrator,
    "decision": DecisionRule,
    "ood-score": OodScore,
}


def build_stage(bound: Bound) -> Any:
    """The stage, built with its own parameters; PluginError when it is not of the base class of its kind."""
    kind = kind_of(bound.spec)
    with blaming(who(bound)):
        stage = bound.spec.load()(**bound.own())
    if not isinstance(stage, BASES[kind]):
        message = (
            f"{who(bound)}: kind {kind!r} wants a {BASES[kind].__name__}, its target makes a {type(stage).__name__}"
        )
        raise PluginError(message, "correct the kind or the target in its spec")
    return stage


def as_figures(bound: Bound, learned: Any) -> dict[str, Any]:
    """`learned`, the values that a stage returned, if it is a dict of JSON values; else RunError, as records hold only JSON."""
    try:
        json.dumps(learned, allow_nan=False)
    except (TypeError, ValueError) as error:
        message = f"{who(bound)}: the result of fit is not JSON ({error})"
        raise RunError(message, "return numbers, strings and lists: tensor.tolist(), float(value)") from None
    if not isinstance(learned, dict):
        raise RunError(f"{who(bound)}: fit returned a {type(learned).__name__}", "return a dict of the learned values")
    return learned
