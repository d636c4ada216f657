"""Pickles as cPickle of Python 2 wrote CIFAR's; today's pickle module no longer writes them."""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np


class Python2Pickler(pickle._Pickler):
    """Protocol 2 as in cPickle of Python 2: text and bytes are one type, and numpy's functions have their old names."""

    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012

    def text(self, value: str | bytes) -> None:
        raw = value if isinstance(value, bytes) else value.encode("latin-1")
        self.write(b"U" + bytes([len(raw)]) + raw if len(raw) < 256 else b"T" + len(raw).to_bytes(4, "little") + raw)
        self.memoize(value)

    dispatch[bytes] = text
    dispatch[str] = text

    def save_global(self, obj: Any, name: str | None = None) -> None:
        module = "numpy.core.multiarray" if obj.__name__ == "_reconstruct" else "numpy"
        self.write(f"c{module}\n{obj.__name__}\n".encode())
        self.memoize(obj)

    dispatch[type] = save_global
    dispatch[type(np.ndarray.__reduce__)] = save_global


def python2_pickle(value: Any) -> bytes:
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(value)
    return file.getvalue()
