"""Read an `.npz` of outputs: named arrays."""

from __future__ import annotations

from pathlib import Path

from calibench.data.numpy_files import read_npz
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.plugins.specs import ReaderSpec

SPEC = ReaderSpec(
    name="npz",
    suffixes=(".npz",),
    starts=(b"PK\x03\x04",),
    target="calibench.outputs.readers.formats.npz:read_npz_arrays",
    summary="Named arrays of numpy, as numpy.savez writes them.",
)


def read_npz_arrays(path: Path, columns: Columns | None = None) -> Content:
    """The arrays of an `.npz`. Raises InputError naming the array that cannot be read, or that is a pickle."""
    return Content(read_npz(path), table=False)
