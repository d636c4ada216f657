"""Pickles of plain values and arrays of whole numbers, such as CIFAR's, read without running anything that they name."""

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


_WHOLE_NUMBERS = {"u1", "u2", "u4", "i1", "i2", "i4", "i8"}
"""numpy's names of integer types: u unsigned, i signed, and the number of bytes."""


class _Dtype:
    """Stands for a dtype: its name in the pickle, such as b'u1', and its byte order."""

    def __init__(self, name: Any, *flags: Any) -> None:
        self.name, self.order = _text(name), "="

    def __setstate__(self, state: Any) -> None:
        """`state` is version, byte order, and fields that integers do not use."""
        self.order = _text(state[1])

    def dtype(self) -> np.dtype[Any]:
        """The dtype; UnpicklingError unless it is an integer type."""
        if self.name not in _WHOLE_NUMBERS or self.order not in {"<", ">", "=", "|"}:
            raise pickle.UnpicklingError("an array that does not hold whole numbers")
        return np.dtype(self.order + self.name)


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


class _Array:
    """Stands for an array until it is checked: numpy's own reading trusts the dtype that a pickle describes."""

    def __init__(self, *ignored: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> NDArray[np.integer[Any]]:
        """The array from numpy's state: version, shape, dtype, True if stored by column, content."""
        _, shape, kind, by_column, content = self.state
        if not isinstance(kind, _Dtype) or not isinstance(content, bytes):
            raise pickle.UnpicklingError("an array that does not hold whole numbers")
        dtype = kind.dtype()
        if math.prod(shape) * dtype.itemsize != len(content):
            raise pickle.UnpicklingError(f"an array of shape {shape} {dtype} with {len(content)} bytes")
        return np.frombuffer(content, dtype).reshape(shape, order="F" if by_column else "C")


class _Reader(pickle.Unpickler):
    """Knows arrays, and the bytes that Python 3 writes for Python 2; any other name in the pickle is an error."""

    def find_class(self, module: str, name: str) -> Any:
        """A harmless stand-in for the object that a name in the pickle refers to."""
        if (module, name) in _ARRAY_MAKERS or (module, name) == ("numpy", "ndarray"):
            return _Array
        if (module, name) == ("numpy", "dtype"):
            return _Dtype
        if (module, name) == ("_codecs", "encode"):
            return lambda text, encoding: text.encode("latin-1")
        raise pickle.UnpicklingError(f"it names {module}.{name}, which data does not need and which could run code")


def read_plain_pickle(content: bytes, where: str, skip: int = 0) -> dict[str, Any]:
    """A pickled dictionary of numbers, text, lists and arrays. Python 2's text stays bytes; keys become str.

    The first `skip` pickles of `content` are passed over. InputError if the pickle is cut short, is not a dictionary, or
    names anything but arrays of whole numbers. Nothing that it names is imported or called.
    """
    try:
        file = io.BytesIO(content)
        for _ in range(skip):
            _Reader(file, encoding="bytes").load()
        dictionary = _Reader(file, encoding="bytes").load()
        if not isinstance(dictionary, dict):
            raise pickle.UnpicklingError(f"it holds a {type(dictionary).__name__}, not a dictionary")
        return {_text(key): value.array() if isinstance(value, _Array) else value for key, value in dictionary.items()}
    except Exception as error:  # a damaged pickle raises nearly anything
        message = f"{where}: not a pickle of plain data: {error or type(error).__name__}"
        raise InputError(message, "remove it and fetch the published file again") from None
