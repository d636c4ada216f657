"""The size of blocks: resamples and draws are made a few rows at a time, so that memory stays small."""

from __future__ import annotations

BLOCK_ROWS = 64
BLOCK_NUMBERS = 4_000_000
"""A block of weights has at most this many entries (32 MB), and at most 64 rows."""


def block_rows(n: int) -> int:
    """The number of rows of N numbers in a block."""
    return max(1, min(BLOCK_ROWS, BLOCK_NUMBERS // n))
