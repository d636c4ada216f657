"""Read `.npy` files of outputs: scores in one, labels in another; a block of rows at a time if they are large."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO

from calibench.data.numpy_files import existing_file, token_errors
from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.outputs.readers.stored_array import UNREADABLE, StoredArray
from calibench.plugins.specs import ReaderSpec

SPEC = ReaderSpec(
    name="npy",
    suffixes=(".npy",),
    starts=(b"\x93NUMPY",),
    target="calibench.outputs.readers.formats.npy:read_npy_scores",
    summary="One array of numpy; its labels are in another file: --labels FILE.",
)

VERSIONS = ((1, 0), (2, 0))
"""Of the format. Version 3 is for names of fields that are not Latin-1, and arrays of fields are no scores."""


def read_npy_scores(path: Path, columns: Columns) -> Content:
    """The array of a `.npy` by the name of the file without its ending, which may tell what it holds (`..._logits`)."""
    name, from_probs = _name_and_kind(path, columns)
    array = npy_array(path)
    logits, probs = (None, name) if from_probs else (name, None)
    return Content({name: array.whole()}, table=False, logits=logits, probs=probs)


def npy_scores_and_labels(path: str | Path, columns: Columns) -> tuple[StoredArray, StoredArray, bool]:
    """The scores in the `.npy` `path`, the labels in the `.npy` `columns.label`, and True if the scores are probabilities.

    Both names tell what they hold as those of `read_npy_scores` do.
    """
    _, from_probs = _name_and_kind(path, columns)
    if columns.label is None or not columns.label.lower().endswith(".npy"):
        problem = "the labels are missing" if columns.label is None else f"it holds no labels {columns.label!r}"
        raise InputError(f"{path}: {problem}", "a .npy holds one array: give the labels as --labels FILE.npy")
    return npy_array(path), npy_array(columns.label), from_probs


def _name_and_kind(path: str | Path, columns: Columns) -> tuple[str, bool]:
    """The name of the array, and True if it holds probabilities. InputError where neither the file's name nor the user tells."""
    name, named = Path(path).stem, columns.logits or columns.probs
    if named not in {None, name, str(path), Path(path).name}:
        raise InputError(f"{path}: there is no {named!r}", f"the array of a .npy has the file's name: {name!r}")
    if named is None and not name.lower().endswith(("logits", "probs", "predictions")):
        hint = f"say which: --logits {name} or --probs {name}"
        raise InputError(f"{path}: its name does not tell whether it holds logits or probabilities", hint)
    from_probs = columns.probs is not None if named is not None else name.lower().endswith("probs")
    return name, from_probs


def npy_array(path: str | Path) -> StoredArray:
    """The array of a `.npy`. InputError if it cannot be read, is cut short, is followed by more, or holds a pickle."""
    file = existing_file(path)
    array, start = array_in(lambda: file.open("rb"), str(path))
    size = file.stat().st_size - start
    if size != array.size_in_bytes:
        problem = "it is cut short" if size < array.size_in_bytes else "more follows after the array"
        raise InputError(f"{path}: {problem}", "write it again with numpy.save")
    return array


def array_in(opened: Callable[[], IO[bytes]], where: str) -> tuple[StoredArray, int]:
    """The array of the `.npy` file that `opened()` opens at its start, and the length of its header."""

    def at_data() -> IO[bytes]:
        file = opened()
        try:
            _read_header(file)
        except BaseException:
            file.close()
            raise
        return file

    try:
        with opened() as file:
            begin = file.tell()
            shape, by_columns, dtype = _read_header(file)
            length = file.tell() - begin
    except UNREADABLE as error:
        raise InputError(f"{where}: not a sound .npy file ({error})", "write it again with numpy.save") from None
    if dtype.hasobject:
        message = f"{where}: it holds Python objects (a pickle), which could run code"
        raise InputError(message, "store plain numbers or words: array.astype(float), .astype(int) or .astype(str)")
    return StoredArray(where, shape, dtype, at_data, by_columns and len(shape) == 2), length


def type_in(file: IO[bytes]) -> np.dtype:
    """The type of the array in a `.npy` file."""
    return _read_header(file)[2]


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether it is in Fortran order, and type."""
    version = np.lib.format.read_magic(file)
    if version not in VERSIONS:
        raise ValueError(f"version {version} of the format")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, by_columns, dtype = read(file)
    except token_errors() as error:
        raise ValueError(f"a damaged header: {error}") from None
    return shape, by_columns, dtype
