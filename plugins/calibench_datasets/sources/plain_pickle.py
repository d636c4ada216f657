"""Read a pickle of plain values and arrays of whole numbers, as CIFAR's are, without running anything that it names."""

from __future__ import annotations

import io
import math
import pickle
from typing import TYPE_CHECKING, Any

from calibench import InputError
from calibench.lazy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ARRAY_MAKERS = {("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")}


_KINDS = {"u1", "u2", "u4", "i1", "i2", "i4", "i8"}
"""What numpy calls whole numbers, in bytes each."""


class _Kind:
    """Stands for a dtype: what the pickle called it, as in b'u1', and then its byte order."""

    def __init__(self, name: Any, *flags: Any) -> None:
        self.name, self.order = _word(name), "="

    def __setstate__(self, state: Any) -> None:
        """Version, byte order, and what whole numbers do not have."""
        self.order = _word(state[1])

    def dtype(self) -> np.dtype[Any]:
        """The dtype, if it is one of whole numbers."""
        if self.name not in _KINDS or self.order not in {"<", ">", "=", "|"}:
            raise pickle.UnpicklingError("an array of something else than whole numbers")
        return np.dtype(self.order + self.name)


def _word(text: Any) -> str:
    return text.decode("latin-1") if isinstance(text, bytes) else str(text)


class _Array:
    """Stands for an array until it is checked: numpy's own reading trusts the dtype that a pickle describes."""

    def __init__(self, *ignored: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> NDArray[np.integer[Any]]:
        """What numpy wrote: version, shape, dtype, column order, content."""
        _, shape, kind, by_column, content = self.state
        if not isinstance(kind, _Kind) or not isinstance(content, bytes):
            raise pickle.UnpicklingError("an array of something else than whole numbers")
        dtype = kind.dtype()
        if math.prod(shape) * dtype.itemsize != len(content):
            raise pickle.UnpicklingError(f"an array of shape {shape} {dtype} with {len(content)} bytes")
        return np.frombuffer(content, dtype).reshape(shape, order="F" if by_column else "C")


class _Reader(pickle.Unpickler):
    """Knows arrays, and bytes as Python 3 writes them for Python 2; any other name ends the reading."""

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the pickle stands for: never the thing itself."""
        if (module, name) in _ARRAY_MAKERS or (module, name) == ("numpy", "ndarray"):
            return _Array
        if (module, name) == ("numpy", "dtype"):
            return _Kind
        if (module, name) == ("_codecs", "encode"):
            return lambda text, encoding: text.encode("latin-1")
        raise pickle.UnpicklingError(f"it names {module}.{name}, which data does not need and which could run code")


def read_plain_pickle(content: bytes, where: str, skip: int = 0) -> dict[str, Any]:
    """A pickled dictionary of numbers, text, lists and arrays; text of Python 2 stays bytes, keys become str.

    `skip` pickles that stand before it are passed over. InputError where it is cut short, is no dictionary, or names
    anything but arrays of whole numbers: nothing that it names is imported or called.
    """
    try:
        file = io.BytesIO(content)
        for _ in range(skip):
            _Reader(file, encoding="bytes").load()
        held = _Reader(file, encoding="bytes").load()
        if not isinstance(held, dict):
            raise pickle.UnpicklingError(f"it holds a {type(held).__name__}, not a dictionary")
        return {_word(k): value.array() if isinstance(value, _Array) else value for k, value in held.items()}
    except Exception as error:  # a damaged pickle raises nearly anything
        message = f"{where}: not a pickle of plain data: {error or type(error).__name__}"
        raise InputError(message, "remove it and fetch the published file again") from None
