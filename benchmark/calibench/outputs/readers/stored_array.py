"""StoredArray: an array of numbers in a file, whose rows are read a block at a time."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.lazy import np, torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNREADABLE = (
    *(OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, struct.error),
    *(ValueError, RuntimeError, NotImplementedError, OverflowError, IndexError, TypeError, AttributeError),
)
"""Errors of a damaged, encrypted or vanished file while its bytes are read."""


@dataclass(frozen=True)
class StoredArray:
    """Rows of numbers in a file, not read yet. `open` returns the file at the first byte of the array.

    Rows lie one after another, or with `by_columns` columns do, as in an array of Fortran order.
    """

    where: str
    """The file and the array, for messages."""
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    open: Callable[[], IO[bytes]]
    by_columns: bool = False
    bfloat16: bool = False
    """True for numbers that numpy knows as uint16 only."""

    @property
    def rows(self) -> int:
        """N; 1 for a single number of shape []."""
        return self.shape[0] if self.shape else 1

    @property
    def size_in_bytes(self) -> int:
        """The size of the array."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize

    def blocks(self, size: int) -> Iterator[Any]:
        """The rows, `size` at a time: arrays, or tensors of bfloat16.

        Raises InputError if the file cannot be read or ends early.
        """
        try:
            with self.open() as file:
                origin = file.tell() if self.by_columns else 0
                for start in range(0, self.rows, size):
                    count = min(size, self.rows - start)
                    yield self._native(
                        self._columns(file, origin, start, count) if self.by_columns else self._next(file, count)
                    )
                if not self.by_columns:
                    file.read(1)  # the end of a member of a zip file, where its checksum is compared
        except UNREADABLE as error:
            raise InputError(f"cannot read {self.where}: {error}", "write the file again") from None

    def whole(self) -> Any:
        """All rows, in their shape; for no rows an array of none."""
        return next(self.blocks(max(self.rows, 1)), np.zeros(self.shape)).reshape(self.shape)

    def _next(self, file: IO[bytes], count: int) -> NDArray[Any]:
        row = self.shape[1:]
        return self._read(file, count * int(np.prod(row))).reshape(count, *row)

    def _columns(self, file: IO[bytes], origin: int, start: int, count: int) -> NDArray[Any]:
        rows, columns = self.shape
        block = np.empty((count, columns), dtype=self.dtype)
        for column in range(columns):
            file.seek(origin + (column * rows + start) * self.dtype.itemsize)
            block[:, column] = self._read(file, count)
        return block

    def _read(self, file: IO[bytes], count: int) -> NDArray[Any]:
        """The next numbers."""
        content = bytearray(count * self.dtype.itemsize)
        view, done = memoryview(content), 0
        while done < len(content):
            got = file.readinto(view[done:])  # type: ignore[attr-defined]
            if not got:
                raise EOFError("it is cut short")
            done += got
        return np.frombuffer(content, dtype=self.dtype)

    def _native(self, block: NDArray[Any]) -> Any:
        native = block.astype(block.dtype.newbyteorder("="), copy=False)
        if self.bfloat16:
            return torch.from_numpy(native).view(torch.bfloat16)
        return native


def check_score_type(array: StoredArray) -> StoredArray:
    """The array; InputError unless it holds floating-point numbers of at most 64 bits."""
    if array.bfloat16 or (array.dtype.kind == "f" and array.dtype.itemsize <= 8):
        return array
    hint = "store float64 or narrower" if array.dtype.kind == "f" else "store floating-point numbers"
    raise InputError(f"{array.where} has type {array.dtype}", hint)


def check_label_type(array: StoredArray) -> StoredArray:
    """The array; InputError unless it holds whole numbers, or booleans if it is `[N, Q]`."""
    if not array.bfloat16 and array.dtype.kind in ("iub" if len(array.shape) == 2 else "iu"):
        return array
    raise InputError(f"{array.where} has type {array.dtype}", "store class indices as integers")
