"""Shifts of a run: asked for their variants and checked before training; rows are made later, never all at once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np

from calibench.config.grammar import Bound, who
from calibench.data.prepare import Data
from calibench.data.shift import Floats, Shifted, ShiftTask, Variant
from calibench.errors import InputError, PluginError, RunError, blaming
from calibench.plugins.specs import ShiftSpec


@dataclass(frozen=True)
class Shift:
    """A shift of this run: what the user asked for and its checked variants."""

    bound: Bound
    variants: tuple[Variant, ...]
    notes: tuple[str, ...]
    files: str

    @property
    def text(self) -> str:
        """As the user would write it."""
        return self.bound.text()

    @property
    def mean_over(self) -> list[Variant]:
        """The variants that the mean is over; empty where one of those that it needs is missing."""
        spec = self.bound.spec
        assert isinstance(spec, ShiftSpec)
        if not spec.mean_over:
            return list(self.variants)
        there = {(v.kind, v.severity): v for v in self.variants}
        return [there[pair] for pair in spec.mean_over] if set(spec.mean_over) <= set(there) else []


def load_shifts(bounds: Iterable[Bound], data: Data) -> list[Shift]:
    """Every shift, asked for its variants and checked, before anything is trained; no rows are made yet."""
    bounds = list(bounds)
    task = ShiftTask.of(data) if bounds else None
    return [_load(bound, task) for bound in bounds if task is not None]


def _load(bound: Bound, task: ShiftTask) -> Shift:
    with blaming(who(bound)):
        found = bound.spec.load()(task, **bound.own())
        if not isinstance(found, Shifted):
            found = Shifted(tuple(found))
    variants = []
    seen = set()
    for variant in found.variants:
        if not isinstance(variant, Variant):
            raise PluginError(f"{who(bound)} returned a {type(variant).__name__}, not a calibench.Variant")
        if not isinstance(variant.kind, str) or not variant.kind or not _is_finite(variant.severity):
            what = f"the variant {variant.kind!r}, severity {variant.severity!r}"
            raise PluginError(f"{who(bound)} returned {what}, without a kind or a finite severity")
        if variant.name in seen:
            raise PluginError(f"{who(bound)} returned the variant {variant.name!r} twice")
        seen.add(variant.name)
        severity = int(variant.severity) if isinstance(variant.severity, Integral) else float(variant.severity)
        variant = replace(variant, severity=severity, about=_json(variant, bound))  # noqa: PLW2901
        variants.append(_checked_rows(variant, bound, len(task.x)))
    if not variants:
        raise InputError(f"{who(bound)} makes no variant of these data", f"calibench show shift {bound.name}")
    return Shift(bound, tuple(variants), tuple(found.notes), found.files)


def _json(variant: Variant, bound: Bound) -> dict[str, Any]:
    about = dict(variant.about)
    try:
        json.dumps(about, allow_nan=False)
    except (TypeError, ValueError) as error:
        message = f"{who(bound)}: `about` of {variant.name} is not JSON ({error})"
        raise PluginError(message, "it goes into the record: numbers, strings, lists; array.tolist()") from None
    return about


def _is_finite(severity: Any) -> bool:
    return isinstance(severity, Real) and not isinstance(severity, bool) and math.isfinite(severity)


def _checked_rows(variant: Variant, bound: Bound, n: int) -> Variant:
    if variant.rows is None:
        return variant
    rows = np.asarray(variant.rows)
    whole = rows.ndim == 1 and len(rows) > 0 and rows.dtype.kind in "iu"
    if not whole or rows.min() < 0 or rows.max() >= n or len(np.unique(rows)) < len(rows):
        message = f"{who(bound)}: the rows of {variant.name} are not different test rows 0 .. {n - 1}"
        raise PluginError(message, "mend the plugin")
    return replace(variant, rows=rows.astype(np.int64))


def made(variant: Variant, bound: Bound, data: Data) -> Floats:
    """The variant's rows `[n, ...]` float32; RunError unless their number and shape are right, and all finite."""
    with blaming(f"{who(bound)}: {variant.name}"):
        x = np.require(variant.x(), dtype=np.float32, requirements=["C", "W"])
    n = len(data.test) if variant.rows is None else len(variant.rows)
    expected = (n, *data.test.x.shape[1:])
    if x.shape != expected or not np.isfinite(x).all():
        what = f"shape {list(x.shape)}, not {list(expected)}" if x.shape != expected else "values that are not finite"
        raise RunError(f"{who(bound)}: {variant.name} has {what}", "mend the plugin")
    return x
