"""The rule of equal-width bins, in one place: M bins with edges k / M in float64, `(lo, hi]`, the first closed at 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from calibench.errors import InputError
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats: TypeAlias = "NDArray[np.float64]"
Ints: TypeAlias = "NDArray[np.int64]"
Bools: TypeAlias = "NDArray[np.bool_]"


def check_bins(bins: int) -> int:
    """`bins`, if it is a whole number >= 1; InputError otherwise."""
    if isinstance(bins, bool) or int(bins) != bins or bins < 1:
        raise InputError(f"{bins!r} is not a number of bins", "give a whole number of at least 1; 15 is the convention")
    return int(bins)


def bin_edges(bins: int) -> Floats:
    """The M + 1 edges `k / M`, `[M + 1]` in float64 (a float32 linspace differs on 14 of 16 edges at M = 15)."""
    return np.arange(check_bins(bins) + 1, dtype=np.float64) / bins


def bin_index(values: Floats, bins: int) -> Ints:
    """The bin 0 .. M-1 of each value: the number of inner edges strictly below it. So 1, and 1 + rounding, is in bin M-1."""
    inner = bin_edges(bins)[1:-1]
    return np.searchsorted(inner, values, side="left").astype(np.int64, copy=False)


def one_hot(index: Ints, bins: int) -> Floats:
    """Membership matrix `[N, M]` in float64: entry (i, index_i) is 1, all others 0."""
    matrix = np.zeros((len(index), bins))
    matrix[np.arange(len(index)), index] = 1.0
    return matrix


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """The same array, marked read-only, because all metrics share it."""
    array.flags.writeable = False
    return array
