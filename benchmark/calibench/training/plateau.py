"""The plateau: the rule by which a training ends unless the user sets its epochs.

A training ends at a plateau of the validation NLL: when its lowest value is at least `patience` epochs old, and at least a
tenth of all epochs trained. So the kept epoch never lies in the last twentieth, where a training still falls.
"""

from __future__ import annotations

import math
from typing import NamedTuple

EPOCHS, STEPS = 10, 1000
"""The patience: 10 epochs, or more if 1 000 steps need more. Small data have few steps an epoch, and an NLL that jumps from epoch
to epoch: on digits, V-TST ends at a val NLL of .05 with 160 steps of patience, at .03 with 1 000, and its lowest in 900
epochs is .02 to .03."""

MOST_EPOCHS, MOST_STEPS = 200, 16_000
"""The cap: 200 epochs, or more if 16 000 steps need more."""

SHARE = 0.1
"""Least share of the epochs trained that passes without a lower NLL before a plateau."""


class End(NamedTuple):
    """When a training ends: after `epochs` at the latest, by `patience` (None: never) with `patience_share` of its epochs."""

    epochs: int
    patience: int | None
    patience_share: float


def end_of_training(epochs: int | None, patience: int | None, rows: int, batch_size: int) -> End:
    """The end of a training over `rows` rows, from the two parameters as the user set them.

    `epochs` alone: exactly so many. `patience` alone, or both: that patience, and `epochs` is the cap. Neither: the plateau.
    """
    if epochs is not None:
        return End(epochs, patience, 0.0)
    steps = max(math.ceil(rows / batch_size), 1)
    cap = max(MOST_EPOCHS, math.ceil(MOST_STEPS / steps))
    if patience is not None:
        return End(max(cap, patience + 2), patience, 0.0)  # Schedule refuses a patience that cannot run out
    return End(cap, max(EPOCHS, math.ceil(STEPS / steps)), SHARE)
