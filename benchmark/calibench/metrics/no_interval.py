"""NoInterval: why a figure is shown without an interval."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NoInterval:
    """No interval of this figure is known to cover the population value; `reason` says why, to be read after a colon."""

    reason: str


BIASED = NoInterval(
    "the figure is biased, and no interval is known that covers the population value as often as it says"
)
LABELS = NoInterval(
    "the labels of one sample may depend on each other, and label noise is known for independent ones only"
)
