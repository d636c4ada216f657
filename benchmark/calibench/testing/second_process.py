"""Whether a second process gets the same result: its hashes of texts differ, and it shares no cache in memory with the first."""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from calibench.lazy import np, torch
from calibench.testing.any_item import Item
from calibench.testing.verdict import Check, FailsError

NAME = "second process"

RESULTS = {
    "method": ("probabilities", "watched"),
    "noise": ("labels", "noise"),
    "ood-score": ("scores", "scores"),
    "metric": ("finite", "value"),
}
"""For a family the check that makes its result, and the name of the result in the item's memory."""

CLOSE = 1e-6
"""Relative difference of two numbers that is no rounding: memory of another alignment rounds sums otherwise."""


def keep(item: Item, file: Path) -> None:
    """Write the item's result into a file, if its checks made one."""
    _, name = RESULTS[item.spec.family]
    made = item.memory.get(name)
    if isinstance(made, tuple):
        file.write_bytes(pickle.dumps(made[0]))


def check_against(file: Path) -> Check:
    """The check that an item's result, made in this process, is that of the file."""

    def run(item: Item) -> None:
        from calibench.testing.checks import checks_of

        check, name = RESULTS[item.spec.family]
        next(entry for entry in checks_of(item.spec.family) if entry.name == check).run(item)
        place = difference(pickle.loads(file.read_bytes()), item.memory[name][0], "the result")
        if place:
            raise FailsError(f"another process, with another PYTHONHASHSEED, gives other values in {place}")

    return Check(NAME, run, "sort sets, use hashlib in place of hash(), and keep no random numbers in a cache")


def difference(a: Any, b: Any, place: str) -> str:
    """The place of the first difference of two results; empty if they are equal but for roundings."""
    if isinstance(a, torch.Tensor):
        a, b = a.detach().cpu().numpy(), b.detach().cpu().numpy()
    if isinstance(a, np.ndarray):
        if a.dtype.kind not in "fiub" or a.shape != b.shape:
            return "" if np.array_equal(a, b) else place
        return "" if np.allclose(a, b, rtol=CLOSE, atol=CLOSE, equal_nan=True) else place
    if isinstance(a, float) and isinstance(b, float):
        close = math.isclose(a, b, rel_tol=CLOSE, abs_tol=CLOSE) or (math.isnan(a) and math.isnan(b))
        return "" if close else place
    parts_a, parts_b = _parts(a), _parts(b)
    if parts_a is None or parts_b is None:
        return "" if a == b else place
    if parts_a.keys() != parts_b.keys():
        return place
    return next(filter(None, (difference(part, parts_b[name], name) for name, part in parts_a.items())), "")


def _parts(value: Any) -> dict[str, Any] | None:
    """The parts of a container by their names; None for a single value."""
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: getattr(value, entry.name) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): part for key, part in value.items()}
    if isinstance(value, list | tuple):
        names = getattr(value, "_fields", None) or [str(number) for number in range(len(value))]
        return dict(zip(names, value, strict=True))
    return None
