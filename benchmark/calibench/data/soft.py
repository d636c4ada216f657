"""Soft labels: shares of people who gave each label to each row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = 1e-3


def checked_soft(shares: NDArray[Any], rows: int, num_classes: int, where: str) -> NDArray[np.float64]:
    """The shares `[N, K]` in float64, each row divided by its sum; InputError names the first row that is no set of shares."""
    if shares.dtype.kind != "f" or shares.shape != (rows, num_classes):
        message = f"{where} has shape {list(shares.shape)} and type {shares.dtype}"
        raise InputError(message, f"store shares [{rows}, {num_classes}] as floating-point numbers")
    soft = shares.astype(np.float64)
    bad = ~((soft >= 0).all(axis=1) & (np.abs(soft.sum(axis=1) - 1) <= TOLERANCE))  # NaN is bad too
    if bad.any():
        message = f"row {int(np.argmax(bad))} of {where} is no set of shares"
        raise InputError(message, f"shares are 0 or more and sum to 1 within {TOLERANCE:g}")
    return np.asarray(soft / soft.sum(axis=1, keepdims=True))
