"""Load a run's shifts: call their plugins and check the variants before training; the rows are made later, variant by variant.

`calibench.data.shift` has the types that a plugin gets and returns.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibench.config.grammar import Bound, who
from calibench.data.prepare import Data
from calibench.data.shift import Floats, Shifted, ShiftTask, Variant
from calibench.errors import InputError, PluginError, RunError, blaming
from calibench.plugins.specs import ShiftSpec


@dataclass(frozen=True)
class Shift:
    """A shift of this run: the plugin with its parameters, and its checked variants."""

    bound: Bound
    variants: tuple[Variant, ...]
    notes: tuple[str, ...]
    files: str

    @property
    def text(self) -> str:
        """The shift as the user would write it."""
        return self.bound.text()

    @property
    def mean_over(self) -> list[Variant]:
        """The variants over which the mean is taken; empty if one that the plugin requires is missing."""
        spec = self.bound.spec
        assert isinstance(spec, ShiftSpec)
        if not spec.mean_over:
            return list(self.variants)
        variants = {(v.kind, v.severity): v for v in self.variants}
        return [variants[pair] for pair in spec.mean_over] if set(spec.mean_over) <= set(variants) else []


def load_shifts(bounds: Iterable[Bound], data: Data) -> list[Shift]:
    """Every shift with its checked variants; makes no rows yet."""
    bounds = list(bounds)
    task = ShiftTask.of(data) if bounds else None
    return [_load(bound, task) for bound in bounds if task is not None]


def _load(bound: Bound, task: ShiftTask) -> Shift:
    with blaming(who(bound)):
        shifted = bound.spec.load()(task, **bound.own())
        if not isinstance(shifted, Shifted):
            shifted = Shifted(tuple(shifted))
    variants = tuple(_checked(variant, bound, len(task.x)) for variant in shifted.variants)
    names = [variant.name for variant in variants]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise PluginError(f"{who(bound)} returned the variant {twice!r} twice")
    if not variants:
        raise InputError(f"{who(bound)} makes no variant of these data", f"calibench show shift {bound.name}")
    return Shift(bound, variants, tuple(shifted.notes), shifted.files)


def _checked(variant: Variant, bound: Bound, n: int) -> Variant:
    """The variant with a plain number as severity; PluginError for a fault in anything but the values of its rows."""
    if not isinstance(variant, Variant):
        raise PluginError(f"{who(bound)} returned a {type(variant).__name__}, not a calibench.Variant")
    if not isinstance(variant.kind, str) or not variant.kind or not _is_finite(variant.severity):
        description = f"the variant {variant.kind!r}, severity {variant.severity!r}"
        raise PluginError(f"{who(bound)} returned {description}, without a kind or a finite severity")
    severity = int(variant.severity) if isinstance(variant.severity, Integral) else float(variant.severity)
    return replace(variant, severity=severity, about=_json(variant, bound), rows=_checked_rows(variant, bound, n))


def _is_finite(severity: Any) -> bool:
    return isinstance(severity, Real) and not isinstance(severity, bool) and math.isfinite(severity)


def _json(variant: Variant, bound: Bound) -> dict[str, Any]:
    about = dict(variant.about)
    try:
        json.dumps(about, allow_nan=False)
    except (TypeError, ValueError) as error:
        message = f"{who(bound)}: `about` of {variant.name} is not JSON ({error})"
        raise PluginError(message, "it goes into the record: numbers, strings, lists; array.tolist()") from None
    return about


def _checked_rows(variant: Variant, bound: Bound, n: int) -> NDArray[np.int64] | None:
    """The numbers of the variant's test rows as int64, None for all `n`; PluginError unless they are different rows."""
    if variant.rows is None:
        return None
    rows = np.asarray(variant.rows)
    are_numbers = rows.ndim == 1 and len(rows) > 0 and rows.dtype.kind in "iu"
    if not are_numbers or rows.min() < 0 or rows.max() >= n or len(np.unique(rows)) < len(rows):
        message = f"{who(bound)}: the rows of {variant.name} are not different test rows 0 .. {n - 1}"
        raise PluginError(message, "correct the plugin")
    return rows.astype(np.int64)


def variant_rows(variant: Variant, bound: Bound, data: Data) -> Floats:
    """The variant's rows `[n, ...]` float32; RunError unless their number and shape are right and all values finite."""
    with blaming(f"{who(bound)}: {variant.name}"):
        x = np.require(variant.x(), dtype=np.float32, requirements=["C", "W"])
    n = len(data.test) if variant.rows is None else len(variant.rows)
    expected = (n, *data.test.x.shape[1:])
    if x.shape != expected or not np.isfinite(x).all():
        fault = f"shape {list(x.shape)}, not {list(expected)}" if x.shape != expected else "values that are not finite"
        raise RunError(f"{who(bound)}: {variant.name} has {fault}", "correct the plugin")
    return x
