"""Progress: how long work tells whoever waits for it how far it is."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str, float, int, str], None]
"""Told `(what, done, total, note)` as work goes on; `done` may be a fraction, as within an epoch. What ends early says so
by a lower `total`."""


def quiet(what: str, done: float, total: int, note: str) -> None:
    """A report that says nothing."""
