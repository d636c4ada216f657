"""The reliability of a row as a line of small bars: the signed gap of each bin of confidence."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇"
"""The middle one is calibrated; each step up or down is a gap of `STEP`."""

STEP = 0.05
NO_BAR = "·"
"""Stands for a bin of too few samples."""


def sparkline(gaps: Sequence[float | None]) -> str:
    """One sign a bin: `▄` for a gap of less than 2.5 points, higher bars for answers that are right more often than they are sure,
    lower ones for less often, in steps of 5 points up to three; `-` without bins."""
    return "".join(map(_bar, gaps)) or "-"


def _bar(gap: float | None) -> str:
    if gap is None:
        return NO_BAR
    middle = len(BARS) // 2
    return BARS[middle + max(-middle, min(middle, round(gap / STEP)))]
