"""What each field of a record may hold, so that a board can be made of records that somebody else wrote."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_anything(value: Any) -> bool:
    return True


def _is_interval(value: Any) -> bool:
    return value is None or (isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_number, value)))


def _is_unit(value: Any) -> bool:
    return _by_name(value, _is_anything) and _is_text(value.get("unit")) and value.get("better") in {"lower", "higher"}


def _by_name(value: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) and fits(value[key]) for key in value)


def _all(value: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, list | tuple) and all(map(fits, value))


_BY_NAME: dict[str, Callable[[Any], bool]] = {
    "n": _is_whole,
    "metrics": lambda v: v is None or _is_number(v),
    "intervals": _is_interval,
    "noise_floor": lambda v: _by_name(v, _is_number) and "mean" in v,
    "timings_s": _is_number,
    "versions": _is_text,
    "units": _is_unit,
    "details": lambda v: _by_name(v, _is_anything),
    "seeds": _is_whole,
    "cache": lambda v: _all(v, _is_text),
}


def fits(name: str, value: Any) -> bool:
    """Whether `value` is what the field `name` holds, so that a board can be made of a record that someone else wrote."""
    if name in {"config", "bootstrap", "data", "machine"}:
        return _by_name(value, _is_anything)
    if name in _BY_NAME:
        return _by_name(value, _BY_NAME[name]) and (name != "n" or "test" in value)
    if name == "preset":
        return value is None or (_by_name(value, _is_anything) and _is_text(value.get("name")))
    if name == "predictions":
        return value is None or (_by_name(value, _is_text) and {"file", "sha256"} <= set(value))
    if name in {"fitted", "shift", "ood"}:
        return _all(value, lambda row: _by_name(row, _is_anything))
    return _is_whole(value) if name == "seed" else _is_text(value) or (name == "noise" and value is None)
