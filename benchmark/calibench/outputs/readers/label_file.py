"""Labels in a file of their own: `--labels FILE`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.data.numpy_files import existing_file
from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.outputs.readers.choose import own_readers, reader_of
from calibench.outputs.readers.formats.npy import npy_array
from calibench.outputs.roles.cells import number_columns
from calibench.outputs.roles.index_column import index_columns
from calibench.outputs.roles.label_columns import label_name

if TYPE_CHECKING:
    from numpy.typing import NDArray


def with_label_file(content: Content, columns: Columns) -> Content:
    """The content with the labels of the file `columns.label`, if that names a file and no array of the content."""
    name = columns.label
    if name is None or name in content.arrays:
        return content
    if not names_a_file(name):
        if Path(name).is_file():
            raise InputError(
                f"{name}: labels cannot be read from files of this type", "use .npy, .csv or another table"
            )
        return content
    labels = labels_in(name)
    return dataclasses.replace(content, arrays={**content.arrays, name: labels})


def _without(names: list[str], index: list[str]) -> list[str]:
    """The names without those of an index, unless nothing else is there."""
    return [name for name in names if name not in index] or names


def names_a_file(name: str) -> bool:
    """True for the name of a file of a known format."""
    return name.lower().endswith(tuple(ending for spec in own_readers() for ending in spec.suffixes))


def labels_in(path: str | Path) -> NDArray[Any]:
    """The labels in a file of labels: its one array or column, or the one with a usual name.

    Raises InputError if there is no such file, or it holds several columns and none has a usual name.
    """
    file = existing_file(path)
    if file.suffix.lower() == ".npy":
        return np.asarray(npy_array(file).whole())
    arrays = reader_of(file).spec.load()(file, Columns()).arrays
    name = label_name(Columns(), arrays)
    if name not in arrays:
        single = [key for key, array in arrays.items() if array.ndim]
        single = _without(single, index_columns(single, number_columns(arrays, single)))
        if len(single) != 1:
            names = ", ".join(arrays) or "nothing"
            raise InputError(f"{path}: no column is one of labels (it holds {names})", "call the labels 'label'")
        name = single[0]
    return np.asarray(arrays[name])
