"""Shift: variants of the test split, each made when its turn comes, so that 75 of 10 000 images never lie in memory together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibench.data.prepare import Data
from calibench.errors import InputError, PluginError, RunError, blaming
from calibench.grammar import Bound
from calibench.specs import ShiftSpec
from calibench.stages.build import who

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ShiftTask:
    """What a shift may know: the test rows `x [n, ...]` and labels `y`, and the least and greatest value of train and test.

    Of several labels a row, `questions` is Q and y is `[n, Q]`.
    """

    x: Floats
    y: Ints
    num_classes: int
    questions: int
    lowest: float
    highest: float

    @classmethod
    def of(cls, data: Data) -> ShiftTask:
        """The task that `data` poses."""
        parts = (data.train.x, data.test.x)
        lowest, highest = min(float(x.min()) for x in parts), max(float(x.max()) for x in parts)
        return cls(data.test.x, data.test.y, data.num_classes, data.questions, lowest, highest)


@dataclass(frozen=True)
class Variant:
    """One changed test split: a kind, such as `fog`, how severe it is, and `x()`, which makes its rows `[n, ...]`.

    `rows [n]`, where given, are the test rows that it is made of, each at most once; without, it is made of all in their
    order. Its labels are those of these rows. `about` goes into the record.
    """

    kind: str
    severity: float
    x: Callable[[], NDArray[Any]]
    rows: NDArray[Any] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`fog 3`."""
        return f"{self.kind} {self.severity:g}"


@dataclass(frozen=True)
class Shifted:
    """Variants, with `notes` for the record and `files`, a digest of the files that they are made from."""

    variants: Sequence[Variant]
    notes: tuple[str, ...] = ()
    files: str = ""


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
        if not variant.kind or not math.isfinite(variant.severity):
            raise PluginError(
                f"{who(bound)} returned the variant {variant.name!r}, without a kind or a finite severity"
            )
        if variant.name in seen:
            raise PluginError(f"{who(bound)} returned the variant {variant.name!r} twice")
        seen.add(variant.name)
        variants.append(_checked_rows(variant, bound, len(task.x)))
    if not variants:
        raise InputError(f"{who(bound)} makes no variant of these data", f"calibench show shift {bound.name}")
    return Shift(bound, tuple(variants), tuple(found.notes), found.files)


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
        x = np.ascontiguousarray(variant.x(), dtype=np.float32)
    n = len(data.test) if variant.rows is None else len(variant.rows)
    expected = (n, *data.test.x.shape[1:])
    if x.shape != expected or not np.isfinite(x).all():
        what = f"shape {list(x.shape)}, not {list(expected)}" if x.shape != expected else "values that are not finite"
        raise RunError(f"{who(bound)}: {variant.name} has {what}", "mend the plugin")
    return x
