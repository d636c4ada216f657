"""Arrays of an `.npz` that a judgement in one pass does not use."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from calibench.data.numpy_files import npz_names
from calibench.outputs.columns import Columns
from calibench.outputs.roles.label_columns import label_name
from calibench.outputs.roles.score_arrays import scores_name


def unread_arrays(path: str | Path, columns: Columns) -> list[str]:
    """The names of the arrays in an `.npz` that are neither scores nor labels."""
    arrays = dict.fromkeys(npz_names(path))
    return [name for name in arrays if name not in {scores_name(columns, arrays, path), label_name(columns, arrays)}]


def warn_of(unused: Collection[str], used: Collection[str | None] = ()) -> list[str]:
    """A warning that names the arrays or columns of a file that a judgement does not use, such as sample weights; or none."""
    names = [name for name in unused if name not in used]
    return [f"not used of this file: {', '.join(names)}"] if names else []


def warn_of_unread(path: str | Path, columns: Columns) -> list[str]:
    """`warn_of` the arrays of an `.npz`; nothing for other files."""
    return warn_of(unread_arrays(path, columns)) if Path(path).suffix.lower() == ".npz" else []
