"""How a training stage ended, for its entry in the record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calibench.training.plateau import still_falling


def end_of_stage(figures: Mapping[str, Any]) -> dict[str, bool]:
    """`still_falling` for a stage that trained epochs: its lowest validation NLL came in the last 5 % of them."""
    if "best_epoch" not in figures:
        return {}
    return {"still_falling": still_falling(figures["best_epoch"], figures["ended_after"])}
