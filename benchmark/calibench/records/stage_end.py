"""How a training ended, by its entry in a record's `fitted`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calibench.records.record import ResultRecord

LATE = 0.05
"""A lowest NLL in this last share of the epochs is marked: longer training may lower it."""


def still_falling(best_epoch: float, last_epoch: float) -> bool:
    """True if the lowest validation NLL came in the last 5 % of the epochs, or in the last of fewer than 20."""
    return best_epoch > (1 - LATE) * last_epoch


def end_of_stage(figures: Mapping[str, Any]) -> dict[str, bool]:
    """`still_falling` for a stage that trained epochs; empty for another."""
    if "best_epoch" not in figures:
        return {}
    return {"still_falling": still_falling(figures["best_epoch"], figures["ended_after"])}


def stages_still_falling(record: ResultRecord) -> list[str]:
    """The stages of a record whose validation NLL still fell at their end.

    A record from before the mark has the kept epoch alone. Its stage trained all the epochs of its configuration; where the last
    one was kept whatever its NLL, nobody knows, and the stage is listed.
    """
    return [str(entry.get("stage")) for entry in record.fitted if _falls(entry, record)]


def _falls(entry: Mapping[str, Any], record: ResultRecord) -> bool:
    if "still_falling" in entry:
        return entry["still_falling"] is True
    kept, last = entry.get("epoch"), entry.get("ended_after")
    stages = record.config.get("stages")
    for stage in stages if isinstance(stages, list) else ():
        if last is None and isinstance(stage, Mapping) and stage.get("name") == entry.get("stage"):
            params = stage.get("params")
            last = params.get("epochs") if isinstance(params, Mapping) else None
    return isinstance(kept, int | float) and isinstance(last, int | float) and still_falling(kept, last)
