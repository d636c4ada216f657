"""Parameters that several decision rules share, and the checks of those that exclude each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calibench import InputError, Param

VALUE = Param("value", "float", 0.5, "one threshold for all classes", "probability", minimum=0, maximum=1)


def values_param(meaning: str) -> Param:
    """The parameter `values`: a list of thresholds."""
    return Param("values", "floats", None, f"{meaning}, as 0.2;0.4;0.4", "probability", minimum=0, maximum=1)


CAL_SPLIT = Param(
    "cal_split",
    "str",
    None,
    "the share of cal for the calibrators of a rule with a guarantee; cross-fit: all of it for both, with an approximate "
    "guarantee; not set: a fifth of 250 samples or more for temperature, else half; all where a temperature changes no answer",
    choices=("fifth", "half", "cross-fit"),
    late=True,
)

SHARING = (
    "with a guarantee, a calibrator in the recipe may not have seen the samples of the limit, which it would make look better "
    "than they are: temperature is fitted on a fifth of cal (half of fewer than 250 samples, or where a fifth has no finite "
    "one), others on half, the limit on the rest. Temperature keeps the order of two classes, and then both have all of cal. "
    "cal_split=cross-fit uses all of cal for both: the limit is one of out-of-fold probabilities, and the guarantee "
    "approximate (docs/evidence/decisions.md)"
)
"""The deviation of every rule with a guarantee."""


def check_one_set(rule: str, settings: Mapping[str, Any]) -> None:
    """InputError if more than one of the settings is set; None means not set."""
    chosen = [key for key, setting in settings.items() if setting is not None]
    if len(chosen) > 1:
        message = f"{rule} takes one of {', '.join(settings)}, not both {chosen[0]} and {chosen[1]}"
        raise InputError(message, "drop one of them")


def check_delta(rule: str, guarantee: str | None, delta: float | None) -> None:
    """InputError for a delta without a guarantee, or outside (0, 1)."""
    if guarantee == "none" and delta is not None:
        raise InputError(f"{rule}: delta does nothing without a guarantee", "drop delta, or guarantee=none")
    if delta is not None and not 0 < delta < 1:
        raise InputError(f"{rule}: delta={delta:g} is not between 0 and 1", "write it as in delta=0.05")
