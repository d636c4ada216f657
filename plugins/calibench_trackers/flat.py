"""The settings and the figures of a run as flat tables, as trackers show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calibench import RunFacts

Setting = str | int | float | bool


def settings_of(run: RunFacts, n: Mapping[str, int]) -> dict[str, Setting]:
    """What the run is, the rows of each split, and each parameter as `stage.key`; parameters that are not set are left out."""
    own = ("run_id", "recipe", "dataset", "model", "noise", "seed")
    flat: dict[str, Any] = {name: getattr(run, name) for name in own}
    flat["device"] = run.config.get("device")
    flat |= {f"rows.{split}": rows for split, rows in n.items()}
    parts = [*run.config.get("stages", ()), *(run.config.get(name) for name in ("dataset", "model", "noise"))]
    for part in parts:
        if isinstance(part, Mapping):
            flat |= {f"{part['name']}.{key}": value for key, value in part.get("params", {}).items()}
    return {name: _plain(value) for name, value in flat.items() if value is not None}


def figures_of(record: Mapping[str, Any]) -> dict[str, float]:
    """The figures of a record as `test/NAME`, the ends of their intervals as `test/NAME_low` and `_high`, and `_floor`."""
    figures: dict[str, float] = {}
    for name, value in record["metrics"].items():
        if value is None:
            continue
        figures[f"test/{name}"] = value
        ends = record["intervals"].get(name)
        if ends is not None:
            figures[f"test/{name}_low"], figures[f"test/{name}_high"] = ends
        floor = record["noise_floor"].get(name, {}).get("mean")
        if floor is not None:
            figures[f"test/{name}_floor"] = floor
    return figures


def _plain(value: Any) -> Setting:
    """The value, or a list as text: `128;64`."""
    if isinstance(value, str | int | float | bool):
        return value
    return ";".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
