"""The space of a search: `lr=log(1e-4,1e-1), vtst.latent_dim=32|64|128`, read against the parameters that a run declares."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibench.config.grammar import Bound
from calibench.config.run_config import RunConfig
from calibench.config.values import read_value
from calibench.errors import InputError, did_you_mean
from calibench.plugins.params import TRAINING_PARAMS, Param, Value

AUTO = "auto"
FACTOR = 4.0
"""Of a parameter without an upper bound `auto` searches from the default divided by this to the default times this."""

HINT = "as in --tune 'lr=log(1e-4,1e-1), vtst.latent_dim=32|64|128, label-smoothing.epsilon=0..0.3'"
DIGITS = 4
"""Numbers are tried with so many significant digits."""

_RANGE = re.compile(r"(?:log\((.+),(.+)\)|(.+?)\.\.(.+))\Z")

_NOT_AUTO = frozenset(param.key for param in TRAINING_PARAMS) - {"lr"}
"""Settings of the loop that `auto` leaves alone: they decide cost, or which checkpoint is kept."""


@dataclass(frozen=True)
class Dimension:
    """One parameter that is searched: its `choices`, or the range `low` to `high`, on a logarithmic scale if `log`."""

    part: str
    param: Param
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    @property
    def name(self) -> str:
        """`vtst.latent_dim`."""
        return f"{self.part}.{self.param.key}"

    @property
    def whole(self) -> bool:
        """True for a range of whole numbers."""
        return self.param.type == "int"

    def document(self) -> dict[str, Any]:
        """The dimension as JSON."""
        if self.choices:
            return {"choices": [list(value) if isinstance(value, tuple) else value for value in self.choices]}
        return {"low": self.low, "high": self.high, "log": self.log}

    def value(self, drawn: Any) -> Value:
        """The value that is tried: a number with four significant digits, inside the range."""
        if self.choices:
            chosen: Value = drawn
            return chosen
        if self.whole:
            return int(drawn)
        return min(max(float(f"{drawn:.{DIGITS}g}"), self.low), self.high)


def read_space(text: str, config: RunConfig) -> tuple[Dimension, ...]:
    """The dimensions in `text`: `STAGE.KEY=` or `KEY=`, then `a|b|c`, `low..high` or `log(low,high)`; or `auto`.

    A key alone is that of the only stage that has it, or of the first. `auto` takes the parameters that stages declare.
    Stages alone are searched: runs of
    other data or models stand on other boards. InputError for a stage, a key or a value that there is not, and for one that the
    user sets besides.
    """
    if text.strip() == AUTO:
        return _automatic(config)
    dimensions = [_dimension(item, config.stages) for item in re.split(r",(?![^()]*\))", text) if item.strip()]
    if not dimensions:
        raise InputError("--tune names no parameter", HINT)
    names = [dimension.name for dimension in dimensions]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"--tune: {name} is given twice", "keep one of the two")
        if name in config.explicit:
            raise InputError(f"{name} is searched by --tune and set besides", "leave one of the two out")
    return tuple(dimensions)


def with_values(config: RunConfig, values: Mapping[str, Value]) -> RunConfig:
    """The configuration with `part.key` values in place of its own."""

    def changed(bound: Bound) -> Bound:
        own = {name.partition(".")[2]: value for name, value in values.items() if name.partition(".")[0] == bound.name}
        return dataclasses.replace(bound, params={**bound.params, **own}) if own else bound

    stages = tuple(changed(stage) for stage in config.stages)
    explicit = config.explicit | set(values)
    return dataclasses.replace(config, stages=stages, explicit=explicit)


def _dimension(item: str, parts: Sequence[Bound]) -> Dimension:
    left, equals, right = (word.strip() for word in item.partition("="))
    if not equals or not left or not right:
        raise InputError(f"--tune: cannot read {item.strip()!r}", HINT)
    part, param = _parameter(left, parts)
    owner = f"--tune: {part!r}"
    match = _RANGE.match(right)
    if match is None:
        choices = tuple(dict.fromkeys(read_value(param, word.strip(), owner) for word in right.split("|")))
        if len(choices) < 2:
            raise InputError(f"--tune: {left}={right} is one value", "name several as 8|16|32, or a range as 8..64")
        return Dimension(part, param, choices)
    log = match[1] is not None
    ends = [read_value(param, word.strip(), owner) for word in (match.groups()[:2] if log else match.groups()[2:])]
    if param.type not in ("int", "float"):
        raise InputError(f"--tune: {left} is no number, and has no range", "name its values as a|b|c")
    low, high = (float(end) for end in ends)  # type: ignore[arg-type]
    if not low < high:
        raise InputError(f"--tune: {left}={right} is empty", "write the lower end first")
    if log and low <= 0:
        raise InputError(f"--tune: {left}={right} begins at {low:g}", "a logarithmic range begins above 0")
    return Dimension(part, param, low=low, high=high, log=log)


def _parameter(left: str, parts: Sequence[Bound]) -> tuple[str, Param]:
    """The part and the parameter that `stage.key` or `key` names."""
    name, dot, key = left.rpartition(".")
    if dot:
        named = [bound for bound in parts if bound.name == name]
        if not named:
            names = [bound.name for bound in parts]
            raise InputError(f"--tune: {name!r} is no stage of this run", did_you_mean(name, names))
        if len(named) > 1:
            raise InputError(f"--tune: two stages of this run are called {name!r}", "tune a recipe with one of them")
    else:
        having = [bound for bound in parts if any(param.key == key for param in bound.spec.all_params())]
        named = having if len(having) == 1 else [bound for bound in having if bound is parts[0]]
        if not named and having:
            raise InputError(
                f"--tune: {', '.join(b.name for b in having)} all have {key!r}", f"write {having[0].name}.{key}=..."
            )
        if not named:
            keys = {param.key for bound in parts for param in bound.spec.all_params()}
            raise InputError(f"--tune: no stage of this run has a parameter {key!r}", did_you_mean(key, keys))
    params = {param.key: param for param in named[0].spec.all_params()}
    if key not in params:
        raise InputError(f"--tune: {named[0].name!r} has no parameter {key!r}", did_you_mean(key, params))
    return named[0].name, params[key]


def _automatic(config: RunConfig) -> tuple[Dimension, ...]:
    """The learning rate of stage 1, and every own parameter of its stages with choices, bounds or a positive default.

    Decision rules are left out: they change no probability, and so no score on val. So is what the user sets.
    """
    found = []
    names = [stage.name for stage in config.stages]
    for stage in config.stages:
        if stage.spec.kind == "decision" or names.count(stage.name) > 1:
            continue
        trains = stage is config.objective and not config.comes_trained
        own = [param for param in stage.spec.all_params() if param.key == "lr"] if trains else []
        own += [param for param in stage.spec.params if param.key not in _NOT_AUTO and param not in own]
        dimensions = (_automatic_range(stage.name, param) for param in own)
        found += [dim for dim in dimensions if dim is not None and dim.name not in config.explicit]
    if not found:
        hint = f"name parameters and ranges, {HINT}"
        raise InputError(f"--tune auto: the stages of {config.recipe} declare nothing to search", hint)
    return tuple(found)


def _automatic_range(part: str, param: Param) -> Dimension | None:
    if param.type == "bool":
        return Dimension(part, param, (False, True))
    if param.choices and param.type == "str" and param.default is not None:
        return Dimension(part, param, param.choices)
    if param.type not in ("int", "float"):
        return None
    low, high, default = param.minimum, param.maximum, param.default
    if low is not None and high is not None and low < high:
        return Dimension(part, param, low=float(low), high=float(high))
    if not isinstance(default, int | float) or default <= 0:
        return None
    least = max(default / FACTOR, -math.inf if low is None else low)
    most = min(default * FACTOR, math.inf if high is None else high)
    if param.type == "int":
        least, most = math.ceil(least), math.floor(most)
    return Dimension(part, param, low=float(least), high=float(most), log=True) if 0 < least < most else None
