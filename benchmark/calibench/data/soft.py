"""Soft labels: shares of people who gave each label to each row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibench.errors import InputError

TOLERANCE = 1e-3


def checked_soft(given: NDArray[Any], rows: int, num_classes: int, where: str) -> NDArray[np.float64]:
    """The shares `[N, K]` in float64, each row divided by its sum; InputError naming the row that is no set of shares."""
    if given.dtype.kind != "f" or given.shape != (rows, num_classes):
        message = f"{where} has shape {list(given.shape)} and type {given.dtype}"
        raise InputError(message, f"store shares [{rows}, {num_classes}] as floating-point numbers")
    soft = given.astype(np.float64)
    bad = ~((soft >= 0).all(axis=1) & (np.abs(soft.sum(axis=1) - 1) <= TOLERANCE))  # NaN is bad too
    if bad.any():
        message = f"row {int(np.argmax(bad))} of {where} is no set of shares"
        raise InputError(message, f"shares are 0 or more and sum to 1 within {TOLERANCE:g}")
    return np.asarray(soft / soft.sum(axis=1, keepdims=True))
