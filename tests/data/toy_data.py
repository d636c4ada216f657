"""Small random arrays, and how the tests split them."""

from __future__ import annotations

from typing import Any

import numpy as np

from calibench import Arrays
from calibench.data.prepare import SPLITS, Data, prepare

SHARES: dict[str, Any] = {"val": 0.1, "cal": 0.1, "test": 0.25, "split_seed": 0}


def arrays(n: int = 200, classes: int = 4, seed: int = 0, **fields: Any) -> Arrays:
    rng = np.random.default_rng(seed)
    return Arrays(x=rng.normal(size=(n, 3)), y=rng.integers(classes, size=n), **fields)


def held_out_pairs(n: int, first_seed: int) -> dict[str, Any]:
    """Rows and labels for val, cal and test, each from a seed of its own."""
    sources = {name: arrays(n, seed=seed) for seed, name in enumerate(SPLITS[1:], first_seed)}
    return {name: (source.x, source.y) for name, source in sources.items()}


def split(source: Arrays, **shares: Any) -> Data:
    """The arrays split by `SHARES`, or by the shares that a user states."""
    return prepare(source, SHARES | shares, frozenset(shares), "dataset toy")
