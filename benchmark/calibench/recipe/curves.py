"""The course of a training as a record holds it: at most about 60 epochs, five digits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

MOST_EPOCHS = 60
DIGITS = 5


def stored_curve(entry: Mapping[str, Any], curve: Mapping[str, list[float]]) -> list[dict[str, Any]]:
    """The curve of the stage that `entry` describes, as a list of one; empty for a stage that trained no epochs.

    Epochs are evenly spread, with the first, the kept one and the last.
    """
    count = max(map(len, curve.values()), default=0)
    if not count:
        return []
    epochs = {*np.linspace(1, count, min(count, MOST_EPOCHS)).round().astype(int).tolist()}
    epochs |= {int(entry[name]) for name in ("epoch", "best_epoch") if 1 <= entry.get(name, 0) <= count}
    chosen = sorted(epochs)
    series = {name: [_rounded(values[epoch - 1]) for epoch in chosen] for name, values in sorted(curve.items())}
    return [{"stage": entry["stage"], "epochs": chosen, **series}]


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
