"""Limits and margins, as `ece15=0.03` beside `--max` and `coverage=.8` beside `--min`, or as numbers by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

from calibench.errors import InputError
from calibench.metrics.intervals import method_of
from calibench.metrics.load import Metrics, load_metrics

Kind = Literal["max", "min"]

Texts = Sequence[str] | Mapping[str, float]
"""`["ece15=0.03", ...]` as on the command line, or `{"ece15": 0.03, ...}`."""

SIGNS = {"max": "<=", "min": ">="}


@dataclass(frozen=True)
class Limit:
    """`metric <= value` for the kind `max`, `metric >= value` for `min`; the value has the unit of the metric."""

    metric: str
    kind: Kind
    value: float

    def __str__(self) -> str:
        return f"{self.metric} {SIGNS[self.kind]} {self.value:g}"


def limits_of(texts: Texts, kind: Kind) -> tuple[list[Limit], Metrics]:
    """The limits that `texts` hold, and the metrics that they name.

    InputError for a text that is not NAME=VALUE, an unknown metric, a metric without an interval, or a value that no figure can
    have.
    """
    limits: list[Limit] = []
    metrics: Metrics = {}
    for name, value in _pairs(texts, kind):
        loaded = gateable(name, kind)
        ((own_name, (spec, _)),) = loaded.items()
        limits.append(Limit(own_name, kind, value))
        if spec.unit == "fraction":
            _refuse_no_fraction(limits[-1])
        metrics.update(loaded)
    return limits, metrics


def gateable(name: str, option: str) -> Metrics:
    """The one metric of that name, under the name that records give it. InputError if there is none, or it has no interval."""
    loaded = load_metrics(name)
    if len(loaded) != 1:
        raise InputError(f"--{option} {name}: {name!r} names {len(loaded)} metrics", _hint(option))
    ((own_name, (_, metric)),) = loaded.items()
    if method_of(metric) is None:
        able = [other for other, (_, metric) in load_metrics("all").items() if method_of(metric) is not None]
        message = f"metric {own_name!r} cannot be gated: no interval is known that covers its population value"
        raise InputError(message, f"a gate decides by an interval; these have one: {', '.join(able)}")
    return loaded


def _refuse_no_fraction(limit: Limit) -> None:
    """InputError for the limit of a fraction that is none, or that every model keeps."""
    option = f"--{limit.kind} {limit.metric}={limit.value:g}"
    if not 0 <= limit.value <= 1:
        hint = f"did you mean {limit.value / 100:g}?" if 1 < limit.value <= 100 else "give a number from 0 to 1"
        raise InputError(f"{option}: {limit.metric} is a fraction", hint)
    if limit.value == (1 if limit.kind == "max" else 0):
        raise InputError(f"{option}: every model holds this limit", "set one that a model could miss")


def margins_of(texts: Texts) -> dict[str, float]:
    """The margins by metric: at most so much worse than the baseline. InputError for a negative one, and as `limits_of`."""
    margins = {}
    for name, value in _pairs(texts, "margin"):
        if value < 0:
            raise InputError(
                f"--margin {name}={value:g} is negative", "give how much worse is still good enough, as 0.005"
            )
        margins[name] = value
    return margins


def _pairs(texts: Texts, option: str) -> list[tuple[str, float]]:
    """Name and number of each text."""
    if isinstance(texts, str):
        texts = [texts]
    if isinstance(texts, Mapping):
        return [(_name(name, option), _number(value, f"{name}={value}", option)) for name, value in texts.items()]
    pairs = []
    for text in texts:
        name, equals, value = str(text).rpartition("=")  # the last one: `ece:bins=20=0.03`
        if not equals or not name.strip():
            raise InputError(f"--{option} {text!r} is not NAME=VALUE", _hint(option))
        pairs.append((name.strip(), _number(value, str(text), option)))
    return pairs


def _name(name: Any, option: str) -> str:
    if not isinstance(name, str):
        raise InputError(f"{option}: {name!r} is not the name of a metric", f'give {option}={{"ece15": 0.03}}')
    return name


def _number(value: Any, text: str, option: str) -> float:
    """A finite number; InputError for anything else, with the fraction if it is a percentage."""
    if isinstance(value, str) and value.strip().endswith("%"):
        share = _number(value.strip()[:-1], text, option) / 100
        raise InputError(f"--{option} {text!r}: a limit is a number", f"did you mean {share:g}?")
    try:
        if isinstance(value, bool) or not isinstance(value, str | Real):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError):
        raise InputError(f"--{option} {text!r}: {value!r} is not a number", _hint(option)) from None
    if not math.isfinite(number):
        raise InputError(f"--{option} {text!r}: {value!r} is not finite", _hint(option))
    return number


def _hint(option: str) -> str:
    return f"write --{option} NAME=VALUE, as --{option} ece15=0.03"
