"""Tables: the role of each column, and features and labels from columns of cells."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from calibench import REQUIRED, Arrays, InputError, Param
from calibench.errors import did_you_mean
from calibench.lazy import np
from calibench_datasets.readers.cells import Column
from calibench_datasets.readers.names import first_repeated, split_names
from calibench_datasets.readers.table_features import column_features
from calibench_datasets.readers.table_labels import table_labels

DROP_AND_MISSING = (
    Param("drop", "str", None, "columns to leave out, joined by ';'"),
    Param(
        "missing",
        "str",
        "refuse",
        "empty cells: an error that names them, or 0 beside a feature that marks them",
        choices=("refuse", "indicate"),
    ),
)
TABLE_PARAMS = (
    Param(
        "label",
        "str",
        REQUIRED,
        "the column to predict: whole numbers or words; several labels a row: a;b;c",
    ),
    *DROP_AND_MISSING,
)
CATEGORICAL = Param("categorical", "str", None, "columns whose numbers are words, joined by ';': one-hot", late=True)


@dataclass(frozen=True)
class Roles:
    """The roles of the columns of a table.

    `labels` are predicted, `dropped` are left out, and all others are features. `categorical` features are one-hot even
    if their cells look like numbers.
    """

    labels: tuple[str, ...]
    dropped: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()

    def features(self, columns: Iterable[str]) -> list[str]:
        """The columns that are features, in the table's order."""
        return [name for name in columns if name not in self.labels and name not in self.dropped]


def roles_of(
    columns: Collection[str], path: str, label: str, drop: str | None = None, categorical: str | None = None
) -> Roles:
    """The roles of `columns`. Each of `label`, `drop` and `categorical` names one or several columns, joined by `;`.

    `label` may also be the name of one column that has `;` in it. InputError for a name that is not a column, that is named
    twice, or that has two roles.
    """
    labels = (label,) if label in columns else split_names(label)
    for name in labels:
        if name not in columns:
            raise InputError(f"{path}: there is no column {name!r}", did_you_mean(name, columns))
    _refuse_repeated("label", label, labels, path)
    dropped, words = split_names(drop), split_names(categorical)
    roles = dict.fromkeys(labels, "is the label")
    _check_names("drop", dropped, columns, roles, path)
    _refuse_repeated("drop", drop, dropped, path)
    _check_names("categorical", words, columns, dict.fromkeys(dropped, "is dropped") | roles, path)
    return Roles(labels, dropped, words)


def _check_names(
    key: str, names: tuple[str, ...], columns: Collection[str], roles: Mapping[str, str], path: str
) -> None:
    for name in names:
        if name in roles or name not in columns:
            problem = roles.get(name, "is not there")
            hint = did_you_mean(name, [column for column in columns if column not in roles])
            raise InputError(f"{path}: {key}={name}: the column {problem}", hint)


def _refuse_repeated(key: str, text: str | None, names: tuple[str, ...], path: str) -> None:
    if (name := first_repeated(names)) is not None:
        raise InputError(f"{path}: {key}={text}: the column {name!r} is named twice", "name it once")


def table_arrays(columns: Mapping[str, Column], roles: Roles, path: str, missing: str) -> Arrays:
    """Features `[N, D]` float32 and class indices `[N]` of the rows of a table.

    A column of numbers is one feature. Any other column, and a categorical one, is one-hot: a feature for each value, in
    sorted order. A label column holds whole numbers or words; its classes are the values in sorted order, and the record
    lists them. Several label columns are several labels a row, `[N, Q]`, of two values each; the second in sorted order (1
    of 0 and 1) is yes. With `missing=indicate` an empty cell is 0 beside a feature that marks it, and in a text column a
    value of its own. InputError naming the column and the row of a missing cell, or a column with too many categories.
    """
    y, notes, names_of_classes = table_labels({name: columns[name] for name in roles.labels}, path)
    names = roles.features(columns)
    if not names:
        raise InputError(f"{path}: there is no column besides the label", "drop fewer")
    features = [column_features(columns[name], path, name, missing, name in roles.categorical) for name in names]
    return Arrays(x=np.concatenate(features, axis=1).astype(np.float32), y=y, notes=notes, class_names=names_of_classes)
