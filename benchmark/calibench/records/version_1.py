"""Records of version 1: their intervals of calibration errors were of no stated value, and are left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REASON = (
    "an earlier version made this record, and its intervals of calibration errors did not cover the population value"
)


def from_version_1(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document in the form of version 2. What is wrong with it stays wrong, for the check of the fields."""
    bootstrap, intervals = document.get("bootstrap"), document.get("intervals")
    listed = bootstrap.get("bias_corrected") if isinstance(bootstrap, Mapping) else None
    if not isinstance(listed, list) or not isinstance(intervals, Mapping):
        return dict(document)
    biased = [name for name in intervals if any(str(name) == m or str(name).startswith(f"shift_{m}_") for m in listed)]
    return {
        **document,
        "intervals": {name: None if name in biased else bounds for name, bounds in intervals.items()},
        "no_interval": {name: REASON for name in biased if intervals[name] is not None},
    }
