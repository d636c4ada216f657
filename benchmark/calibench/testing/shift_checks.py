"""Checks of a shift: the rows of its variants."""

from __future__ import annotations

from typing import Any

import numpy as np

from calibench.data.prepare import prepare
from calibench.data.shift import Shifted, ShiftTask
from calibench.errors import InputError
from calibench.testing.any_item import Item, code_counts, documented, typed
from calibench.testing.dataset_checks import SHARES
from calibench.testing.toy import toy_arrays
from calibench.testing.verdict import Check, DoesNotApplyError, FailsError
from calibench.testing.watch import Watch, confirmed, refuse_changes, refuse_seeding


def _shift_task() -> ShiftTask:
    return ShiftTask.of(prepare(toy_arrays(), SHARES, frozenset(), "toy data"))


def _shifted(item: Item) -> tuple[list[tuple[Any, Any]], Watch]:
    """Every variant of toy test rows with its rows, watched."""

    def make() -> tuple[list[tuple[Any, Any]], Watch]:
        watch = Watch()
        result = watch.call("the shift", item.target, _shift_task(), **item.own_parameters())
        variants = result.variants if isinstance(result, Shifted) else result
        return [(variant, watch.call("a variant", variant.x)) for variant in variants], watch

    try:
        found: tuple[list[tuple[Any, Any]], Watch] = item.shared(
            "shift", lambda: confirmed(make), "the shift does not run"
        )
    except InputError as error:
        raise DoesNotApplyError(f"it refuses toy images of 8 x 8: {error.message}") from None
    return found


def valid_rows(item: Item) -> str:
    """Each variant has finite rows of the shape of the test rows."""
    task, (variants, _) = _shift_task(), _shifted(item)
    if not variants:
        raise FailsError("it returns no variant", "return a list of calibench.Variant")
    for variant, x in variants:
        n = len(task.x) if variant.rows is None else len(variant.rows)
        if np.shape(x) != (n, *task.x.shape[1:]):
            raise FailsError(f"{variant.name}: rows of shape {list(np.shape(x))}, not {[n, *task.x.shape[1:]]}")
        if not np.isfinite(x).all():
            raise FailsError(f"{variant.name}: rows hold NaN or infinity")
    return f"{len(variants)} variants"


def shift_is_seeded(item: Item) -> None:
    """A second call gives the same rows."""
    first, _ = _shifted(item)
    item.memory.pop("shift")
    again, _ = _shifted(item)
    if any(not np.array_equal(a, b) for (_, a), (_, b) in zip(first, again, strict=True)):
        raise FailsError("two calls give different rows")


def shift_leaves_inputs(item: Item) -> None:
    """The test rows are as before."""
    refuse_changes(_shifted(item)[1])


def shift_seeds(item: Item) -> None:
    """It touches no global generator."""
    refuse_seeding(_shifted(item)[1])


_SEED = "draw from numpy.random.default_rng with a seed of its own parameter"
CHECKS = (
    Check("documented", documented),
    Check("typed", typed),
    Check("rows", valid_rows, "let x() return finite rows of the shape of task.x"),
    Check("deterministic", shift_is_seeded, _SEED),
    Check("inputs unchanged", shift_leaves_inputs, "work on a copy"),
    Check("global seeds", shift_seeds, _SEED),
    Check("cache key", code_counts),
)
