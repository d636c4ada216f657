"""Progress: how long work reports how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable

Report = Callable[[str, float, int, str], None]
"""Called with `(what, done, total, note)` as work goes on. `done` may be a fraction, as within an epoch. Work that ends early
reports a lower `total`."""


class AfterPatience:
    """A report that passes on to another once work has taken `seconds`: a short wait needs no bar."""

    def __init__(self, report: Report, seconds: float = 2.0) -> None:
        self.report, self.seconds, self.start = report, seconds, time.monotonic()

    def __call__(self, what: str, done: float, total: int, note: str) -> None:
        """Pass on what is reported late enough."""
        if time.monotonic() - self.start >= self.seconds:
            self.report(what, done, total, note)


def quiet(what: str, done: float, total: int, note: str) -> None:
    """The report that prints nothing."""
