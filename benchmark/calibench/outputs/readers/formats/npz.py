"""Read an `.npz` of outputs: named arrays."""

from __future__ import annotations

import zipfile
from pathlib import Path

from calibench.data.numpy_files import npz_names, read_npz
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.outputs.readers.formats.npy import type_in
from calibench.outputs.readers.stored_array import UNREADABLE
from calibench.outputs.roles.label_columns import label_name
from calibench.outputs.roles.usual_names import LOGITS, PROBS
from calibench.plugins.specs import ReaderSpec

SPEC = ReaderSpec(
    name="npz",
    suffixes=(".npz",),
    starts=(b"PK\x03\x04",),
    target="calibench.outputs.readers.formats.npz:read_npz_arrays",
    summary="Named arrays of numpy, as numpy.savez writes them.",
)


def read_npz_arrays(path: Path, columns: Columns | None = None) -> Content:
    """The arrays of an `.npz`. Raises InputError naming the array that cannot be read.

    An array that is a pickle is left out; it is refused if it has the user's or a usual name of scores or of labels.
    """
    pickled = _pickled(path) - _needed(path, columns or Columns())
    if not pickled:
        return Content(read_npz(path), table=False)
    arrays = read_npz(path, tuple(name for name in npz_names(path) if name not in pickled))
    return Content(arrays, table=False, unused=tuple(sorted(pickled)))


def _pickled(path: Path) -> set[str]:
    """The names of arrays of Python objects, by their headers."""
    found = set()
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                with archive.open(member) as file:
                    if member.filename.endswith(".npy") and type_in(file).hasobject:
                        found.add(member.filename.removesuffix(".npy"))
    except UNREADABLE:
        return set()  # `read_npz` finds the same fault, and names it
    return found


def _needed(path: Path, columns: Columns) -> set[str | None]:
    """The names of arrays that are read, or that would be if they were sound."""
    try:
        names = npz_names(path)
    except UNREADABLE:
        return set()
    scores = {name for name in names if name.lower() in (*PROBS, *LOGITS)}
    return {columns.logits, columns.probs, label_name(columns, names), *columns.others, *scores}
