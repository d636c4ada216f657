"""The grammar of names: `name`, `name:key=value,key=value`, and recipes of stages joined by `+`.

A value with `,` `+` or `"` stands in double quotes (`npz:path="a,b.npz"`; `\\"` and `\\\\` inside). A list is joined by `;`
(`threshold:values=0.2;0.4;0.4`). A `+` before a digit belongs to the number (`lr=1e+2`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibench.config.values import format_value, read_value
from calibench.errors import InputError, did_you_mean
from calibench.plugins.params import REQUIRED, Value
from calibench.plugins.specs import Spec

_NAME = re.compile(r"[A-Za-z][\w-]*\Z")
GRAMMAR_HINT = (
    "write name or name:key=value,key=value, stages joined by '+', as in ce+temperature or vtst:latent_dim=64"
)

LONGEST_TEXT = 10_000
"""Characters of a recipe, a dataset, a model or a noise as text. A run of a longer one is refused, and so is its record."""


@dataclass(frozen=True)
class Piece:
    """One `name:key=value,...` as the user typed it: values are still text."""

    name: str
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Bound:
    """A spec with a checked value for every parameter it declares."""

    spec: Any
    params: Mapping[str, Value]

    @property
    def name(self) -> str:
        """The spec's name."""
        return str(self.spec.name)

    def text(self) -> str:
        """The shortest text that means the same: parameters at their default are left out."""
        texts = [
            f"{p.key}={format_value(self.params[p.key])}"
            for p in self.spec.all_params()
            if self.params[p.key] != p.default
        ]
        return f"{self.name}:{','.join(texts)}" if texts else self.name

    def own(self) -> dict[str, Value]:
        """The parameters that the plugin declared, without those that calibench adds."""
        return {p.key: self.params[p.key] for p in self.spec.params}

    def document(self) -> dict[str, Any]:
        """Name and every parameter as JSON, with defaults, but without late parameters (`Param.late`) at their default."""
        left_out = {p.key for p in self.spec.all_params() if p.late and self.params[p.key] == p.default}
        params = {k: list(v) if isinstance(v, tuple) else v for k, v in self.params.items() if k not in left_out}
        return {"name": self.name, "params": params}


def parse_recipe(text: str) -> tuple[Piece, ...]:
    """The stages of a recipe, as in `ce+vtst:latent_dim=64+temperature`; InputError names the part that cannot be read."""
    return tuple(parse_piece(part) for part in _split(text, "+"))


def parse_piece(text: str) -> Piece:
    """One `name` or `name:key=value,key=value`; InputError names the part that cannot be read."""
    name, colon, rest = text.strip().partition(":")
    if not _NAME.match(name):
        raise InputError(f"cannot read {text!r}: {name!r} is not a name", GRAMMAR_HINT)
    if not colon:
        return Piece(name)
    values = []
    for part in _split(rest, ","):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise InputError(f"cannot read {text!r}: {part!r} is not key=value", GRAMMAR_HINT)
        values.append((key.strip(), _unquote(value.strip())))
    keys = [key for key, _ in values]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice:
        raise InputError(f"{name}: {twice!r} is given twice", "keep one of the two")
    return Piece(name, tuple(values))


def parse_list(text: str) -> tuple[Piece, ...]:
    """Several `name` or `name:key=value,key=value`, joined by commas, as in `brier,ece:bins=20,rms_ce:bins=mass,size=100`.

    After a name with parameters, each `key=value` belongs to that name.
    """
    if not isinstance(text, str):
        raise InputError(f"names are a text, not a {type(text).__name__}", "join them by commas: 'brier,ece:bins=20'")
    items: list[str] = []
    for part in _split(text, ","):
        continues = bool(items) and ":" in items[-1] and "=" in part and ":" not in part.partition("=")[0]
        items[-1:] = [f"{items[-1]},{part}"] if continues else [*items[-1:], part]
    return tuple(parse_piece(item) for item in items)


def bind(spec: Spec, values: Sequence[tuple[str, str]]) -> Bound:
    """The spec with `values` read and checked, and defaults for all other parameters; InputError names the key."""
    params = {param.key: param for param in spec.all_params()}
    values_read: dict[str, Value] = {}
    for key, text in values:
        if key not in params:
            hint = did_you_mean(key, params) if params else "it takes no parameters"
            raise InputError(f"{spec.family} {spec.name!r} has no parameter {key!r}", hint)
        values_read[key] = read_value(params[key], text, f"{spec.family} {spec.name!r}")
    missing = [p for p in params.values() if p.default is REQUIRED and p.key not in values_read]
    if missing:
        needs = ", ".join(f"{p.key} ({p.meaning})" for p in missing)
        raise InputError(f"{spec.family} {spec.name!r} needs {needs}", f"write {spec.name}:{missing[0].key}=...")
    return Bound(spec, {p.key: values_read.get(p.key, p.default) for p in params.values()})


def _split(text: str, separator: str) -> list[str]:
    """Split outside double quotes; a `+` only where a name follows, so that `1e+5` stays whole."""
    parts, start, quoted, i = [], 0, False, 0
    while i < len(text):
        char = text[i]
        if quoted and char == "\\":
            i += 1
        elif char == '"':
            quoted = not quoted
        elif char == separator and not quoted and not (separator == "+" and text[i + 1 : i + 2].isdigit()):
            parts.append(text[start:i])
            start = i + 1
        i += 1
    if quoted:
        raise InputError(f"cannot read {text!r}: a double quote is not closed", GRAMMAR_HINT)
    return [*parts, text[start:]]


def _unquote(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def who(bound: Bound) -> str:
    """`method 'vtst'`, for messages."""
    return f"{bound.spec.family} {bound.name!r}"
