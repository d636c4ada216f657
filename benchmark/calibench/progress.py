"""Progress: how long work reports how far it is."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str, float, int, str], None]
"""Called with `(what, done, total, note)` as work goes on. `done` may be a fraction, as within an epoch. Work that ends early
reports a lower `total`."""


def quiet(what: str, done: float, total: int, note: str) -> None:
    """The report that prints nothing."""
