"""Values of parameters: from text to a checked value, and back to the text."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from calibench.errors import InputError, did_you_mean
from calibench.plugins.params import Param, Value

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

_READ: dict[str, Callable[[str], Any]] = {
    "bool": lambda text: _BOOLEANS[text.lower()],
    "int": int,
    "ints": lambda text: tuple(int(number) for number in text.split(";")),
    "float": lambda text: float(text) + 0.0,  # -0.0 becomes the 0.0 that it equals: one value, one run_id
    "floats": lambda text: tuple(float(number) + 0.0 for number in text.split(";")),
}

_EXPECTED = {
    "bool": "true or false",
    "int": "a whole number",
    "ints": "whole numbers joined by ';'",
    "float": "a number",
    "floats": "numbers joined by ';'",
}


def read_value(param: Param, text: str, owner: str) -> Value:
    """`text` as the type that `param` declares; InputError for another type, and for a value out of bounds or choices.

    `owner` begins the message, as in "method 'vtst'".
    """
    where = f"{owner}: {param.key}={text}"
    try:
        value: Value = _READ.get(param.type, str)(text)
    except (ValueError, KeyError):
        raise InputError(f"{where} is not {_EXPECTED[param.type]}", param.meaning) from None
    if param.type in {"str", "path"} and not text:
        raise InputError(f"{where} is empty", param.meaning)
    if param.choices and text not in param.choices:
        raise InputError(f"{where} is not one of its choices", did_you_mean(text, param.choices))
    if param.type in {"int", "ints", "float", "floats"}:
        _check_bounds(param, value if isinstance(value, tuple) else (value,), where)
    return value


def _check_bounds(param: Param, numbers: tuple[Any, ...], where: str) -> None:
    low = -math.inf if param.minimum is None else param.minimum
    high = math.inf if param.maximum is None else param.maximum
    for number in numbers:
        finite = isinstance(number, int) or math.isfinite(number)  # isfinite overflows on an int of 400 digits
        if not (finite and low <= number <= high):
            raise InputError(f"{where} is outside [{low:g}, {high:g}]", param.meaning)


def format_value(value: Value) -> str:
    """The text that `read_value` reads back as `value`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ";".join(format_value(v) for v in value)
    text = str(value)
    if isinstance(value, str) and (set(text) & set(',+"') or text != text.strip()):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text
