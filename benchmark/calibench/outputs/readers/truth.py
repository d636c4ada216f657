"""Join the labels of another table to a table of scores, by a column that both have: `--truth FILE --on COLUMN`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from calibench.data.numpy_files import existing_file
from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.columns import Columns, array_named
from calibench.outputs.content import Content
from calibench.outputs.readers.choose import reader_of
from calibench.outputs.roles.class_names import canonical
from calibench.outputs.roles.label_columns import label_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray


def with_truth(content: Content, columns: Columns, path: object) -> Content:
    """The content with the labels of `columns.truth`, row by row as the column `columns.on` tells.

    Raises InputError for a key without a label, and for a key that stands twice in the file of labels.
    """
    if columns.truth is None or columns.on is None:
        return content
    file = existing_file(columns.truth)
    table = reader_of(file).spec.load()(file, Columns(label=columns.label)).arrays
    keys = [canonical(key) for key in array_named(columns.on, content.arrays, path).tolist()]
    of_truth = [canonical(key) for key in array_named(columns.on, table, columns.truth).tolist()]
    row_of = {key: row for row, key in enumerate(of_truth)}
    if len(row_of) < len(of_truth):
        twice = next(key for row, key in enumerate(of_truth) if row_of[key] != row)
        raise InputError(f"{columns.truth}: {columns.on} {twice!r} stands twice", "give each row of labels once")
    missing = [row for row, key in enumerate(keys) if key not in row_of]
    if missing:
        more = f" (and {len(missing) - 1} more rows)" if len(missing) > 1 else ""
        message = f"{path}: row {missing[0]}: {columns.on} {keys[missing[0]]!r} is not in {columns.truth}{more}"
        raise InputError(message, f"{columns.on} must be written alike in both files")
    rest = {name: array for name, array in table.items() if name != columns.on}
    name = _label(rest, columns)
    rows = np.array([row_of[key] for key in keys])
    left = len(set(of_truth) - set(keys))
    note = f"labels are joined from {columns.truth} by {columns.on!r}" + (
        f"; {left} of its rows have no scores" if left else ""
    )
    key = name if name not in content.arrays else f"{name} of {columns.truth}"
    return dataclasses.replace(
        content, arrays={**content.arrays, key: rest[name][rows]}, notes=(*content.notes, note), label=key
    )


def _label(table: dict[str, NDArray[Any]], columns: Columns) -> str:
    """The column of labels: the user's, a usual one, or the only one."""
    if columns.label is None and len(table) == 1:
        return next(iter(table))
    (name,) = label_columns(columns.truth or "", table, columns)[:1]
    return name
