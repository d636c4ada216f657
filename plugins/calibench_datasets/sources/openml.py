"""`openml`: a table of openml.org by its number, through scikit-learn's fetch_openml and its cache."""

from __future__ import annotations

import dataclasses
from typing import Any

from calibench import REQUIRED, Arrays, DatasetSpec, InputError, Param
from calibench.data.folder import data_folder
from calibench_datasets.readers.cells import Column
from calibench_datasets.readers.openml_cache import fetch_table
from calibench_datasets.readers.table import CATEGORICAL, DROP_AND_MISSING, roles_of, table_arrays

SPEC = DatasetSpec(
    name="openml",
    target=f"{__name__}:openml",
    summary="A table of openml.org by its number, as id=61 for iris; extra openml.",
    params=(
        Param("id", "int", REQUIRED, "the number in its address, openml.org/d/ID", minimum=1),
        Param("label", "str", None, "the column to predict; not set: the one that OpenML names; several: a;b;c"),
        *DROP_AND_MISSING,
        CATEGORICAL,
    ),
    licence="differs by data set; the record's notes name it",
    source="https://www.openml.org, through scikit-learn's fetch_openml and its cache in the data folder",
    paper="J. Vanschoren et al., OpenML: networked science in machine learning, SIGKDD Explorations 2014",
)


def openml(
    id: int,  # noqa: A002 - OpenML's word
    label: str | None,
    drop: str | None,
    missing: str,
    categorical: str | None = None,
) -> Arrays:
    """The rows of data set `id`, as `table_arrays` reads them. OpenML's nominal columns are words, also if they look like numbers.

    `categorical` names further columns of words, joined by `;`, that OpenML holds as numbers. Without `label` the columns
    that OpenML names as target are predicted. Files are read from scikit-learn's own cache, the folder `openml` in the
    data folder, and fetched only with --download; the data file's MD5 is compared with OpenML's description at every
    read. InputError if the set is missing or cannot be used, RunError if a fetch fails.
    """
    where = f"dataset openml:id={id}"
    bunch = fetch_table(id, label is None, data_folder(), where)
    frame, details = bunch.frame, bunch.details
    targets = ";".join(bunch.target_names) if label is None else label
    if not targets:
        message = f"{where} ({details['name']}) names no target"
        raise InputError(message, f"say which column: label=NAME, of {', '.join(map(str, frame.columns))}")
    columns = {str(name): _cells(frame[name]) for name in frame.columns}
    roles = roles_of(columns, where, targets, drop, categorical)
    nominal = (str(name) for name in frame.columns if str(frame[name].dtype) == "category")
    roles = dataclasses.replace(roles, categorical=(*roles.categorical, *nominal))
    arrays = table_arrays(columns, roles, where, missing)
    return dataclasses.replace(arrays, notes=(*arrays.notes, *_notes(id, details)))


def _notes(number: int, details: dict[str, Any]) -> list[str]:
    notes = [
        f"OpenML data set {number}: {details['name']}, version {details['version']}, "
        f"licence {details.get('licence', 'not stated')}, MD5 {details['md5_checksum']}; its official folds are not used"
    ]
    if details["status"] != "active":
        notes.append(f"OpenML marks this version as {details['status']}")
    return notes


def _cells(column: Any) -> Column:
    """A pandas column as text that reads back to the same values; a missing cell is empty."""
    missing = column.isna().to_numpy()
    return [
        "" if is_missing else repr(value) if isinstance(value, float) else str(value)
        for value, is_missing in zip(column.tolist(), missing, strict=True)
    ]
