"""Members of an `.npz`, a block of rows at a time: rows of a zip file are read in their order, compressed or not."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import IO

from calibench.data.numpy_files import existing_file, npz_names
from calibench.errors import InputError
from calibench.outputs.columns import Columns
from calibench.outputs.readers.formats.npy import array_in
from calibench.outputs.readers.stored_array import UNREADABLE, StoredArray
from calibench.outputs.roles.label_columns import label_name
from calibench.outputs.roles.score_arrays import are_probs, scores_name

LOCAL_HEADER = struct.Struct("<4s22xHH")
"""Of a member of a zip file: its mark, and the lengths of the name and of the extra field that follow."""


def npz_scores_and_labels(path: str | Path, columns: Columns) -> tuple[StoredArray, StoredArray, bool]:
    """The scores and the labels in an `.npz`, and True if the scores are probabilities."""
    try:
        names = dict.fromkeys(npz_names(existing_file(path)))
    except UNREADABLE as error:
        hint = "write it with numpy.savez(file, name=array)"
        raise InputError(f"{path}: not an .npz file ({error})", hint) from None
    scores = scores_name(columns, names, path)
    from_probs = are_probs(columns, scores)
    return npz_array(path, scores), npz_array(path, label_name(columns, names)), from_probs


def npz_array(path: str | Path, name: str) -> StoredArray:
    """The array `name`. InputError if there is none, or if its rows cannot be read one after another."""
    file, where = existing_file(path), f"{path}: {name!r}"
    try:
        with zipfile.ZipFile(file) as archive:
            members = [info for info in archive.infolist() if info.filename in {name, f"{name}.npy"}]
    except UNREADABLE as error:
        raise InputError(f"{path}: not an .npz file ({error})", "write it with numpy.savez") from None
    if len(members) != 1:
        raise InputError(f"{path}: there is {'no' if not members else 'more than one'} {name!r}", "check the name")
    (member,) = members

    def in_order() -> IO[bytes]:
        with zipfile.ZipFile(file) as archive:  # its members keep the file open
            return archive.open(member)

    array, _ = array_in(in_order, where)
    if not array.by_columns:
        return array
    if member.compress_type != zipfile.ZIP_STORED:
        hint = "store it by rows, as numpy.ascontiguousarray(array), or with numpy.savez, which does not compress"
        raise InputError(f"{where} is compressed and stored column by column, so its rows cannot be read in turn", hint)
    return array_in(lambda: _at_content(file, member), where)[0]


def _at_content(path: Path, member: zipfile.ZipInfo) -> IO[bytes]:
    """The zip file itself, at the first byte of a member that is not compressed."""
    file = path.open("rb")
    file.seek(member.header_offset)
    mark, name, extra = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
    if mark != b"PK\x03\x04":
        file.close()
        raise ValueError("the zip file is damaged")
    file.seek(name + extra, 1)
    return file
