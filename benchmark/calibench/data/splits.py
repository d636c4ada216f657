"""Seeded stratified splits that cannot leak: rows of the same content always fall on the same side."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, TypeAlias

from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Index: TypeAlias = "NDArray[np.int64]"


def row_hashes(x: NDArray[np.generic]) -> NDArray[np.bytes_]:
    """A 16-byte BLAKE2b digest `[N]` of each row's values, of any shape; -0.0 counts as 0.0."""
    rows = np.ascontiguousarray(np.add(x, 0, dtype=x.dtype)).reshape(len(x), -1)
    return np.array([hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows], dtype="S16")


def hold_out(y: Index, groups: Index, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """True `[N]` for about `share` of the rows, stratified by class; rows of one group stay together.

    One row stands for each group. These rows are ordered by class and shuffled within a class, and every 1/share-th is
    chosen, so that each class gives its share within one row, however rare it is.
    """
    _, first, group_of_row = np.unique(groups, return_index=True, return_inverse=True)
    order = np.lexsort((rng.permutation(len(first)), y[first]))
    count = min(max(round(share * len(first)), 1), len(first) - 1)
    position = np.arange(len(first))
    offset = rng.integers(len(first))  # without it, the first class would always be rounded down
    steps = ((position + 1) * count + offset) // len(first) > (position * count + offset) // len(first)
    chosen = np.zeros(len(first), dtype=bool)
    chosen[order] = steps
    return np.asarray(chosen[group_of_row])


def overlap(a: NDArray[np.bytes_], b: NDArray[np.bytes_]) -> tuple[Index, Index]:
    """Rows of `a` whose content is also in `b`, and for each the first such row of `b`."""
    order = np.argsort(b, kind="stable")
    at = np.searchsorted(b, a, sorter=order)
    at = np.minimum(at, len(b) - 1)
    rows = np.flatnonzero(b[order[at]] == a)
    return rows.astype(np.int64), order[at[rows]].astype(np.int64)
