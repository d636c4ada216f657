"""Read a pickle of plain values and byte arrays, as CIFAR's are, without running anything that it names."""

from __future__ import annotations

import io
import math
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibench import InputError

_ARRAY_MAKERS = {("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")}


class _Kind:
    """Stands for a dtype: what the pickle called it, as in b'u1'."""

    def __init__(self, name: Any, *flags: Any) -> None:
        self.name = name

    def __setstate__(self, state: Any) -> None:
        """Byte order and the like: of a byte there is none."""


class _Bytes:
    """Stands for an array until it is checked: numpy's own reading trusts the dtype that a pickle describes."""

    def __init__(self, *ignored: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> NDArray[np.uint8]:
        """The array of bytes that numpy wrote: version, shape, dtype, column order, content."""
        _, shape, kind, by_column, content = self.state
        if not isinstance(kind, _Kind) or kind.name not in {b"u1", "u1"} or not isinstance(content, bytes):
            raise pickle.UnpicklingError("an array of something else than bytes (uint8)")
        if math.prod(shape) != len(content):
            raise pickle.UnpicklingError(f"an array of shape {shape} with {len(content)} bytes")
        return np.frombuffer(content, np.uint8).reshape(shape, order="F" if by_column else "C")


class _Reader(pickle.Unpickler):
    """Knows arrays, and bytes as Python 3 writes them for Python 2; any other name ends the reading."""

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the pickle stands for: never the thing itself."""
        if (module, name) in _ARRAY_MAKERS or (module, name) == ("numpy", "ndarray"):
            return _Bytes
        if (module, name) == ("numpy", "dtype"):
            return _Kind
        if (module, name) == ("_codecs", "encode"):
            return lambda text, encoding: text.encode("latin-1")
        raise pickle.UnpicklingError(f"it names {module}.{name}, which data does not need and which could run code")


def read_plain_pickle(content: bytes, where: str) -> dict[str, Any]:
    """A pickled dictionary of numbers, text, lists and uint8 arrays; text of Python 2 stays bytes, keys become str.

    InputError where it is cut short, is no dictionary, or names anything else: nothing that it names is imported or called.
    """
    try:
        held = _Reader(io.BytesIO(content), encoding="bytes").load()
        if not isinstance(held, dict):
            raise pickle.UnpicklingError(f"it holds a {type(held).__name__}, not a dictionary")
        return {
            key.decode() if isinstance(key, bytes) else str(key): value.array() if isinstance(value, _Bytes) else value
            for key, value in held.items()
        }
    except Exception as error:  # a damaged pickle raises nearly anything
        message = f"{where}: not a pickle of plain data: {error or type(error).__name__}"
        raise InputError(message, "remove it and fetch the published file again") from None
