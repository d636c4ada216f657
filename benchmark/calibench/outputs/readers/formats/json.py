"""Read `.json` and `.jsonl` of outputs: an object of arrays, or one object a sample."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.errors import InputError
from calibench.files.memory_limit import refuse_beyond_memory
from calibench.lazy import np
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.outputs.readers.dialect import is_percent
from calibench.outputs.roles.usual_names import LABELS, LOGITS, OTHER_LABELS, PROBS
from calibench.plugins.specs import ReaderSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEC = ReaderSpec(
    name="json",
    suffixes=(".json", ".jsonl", ".ndjson"),
    starts=(b"{", b"["),
    target="calibench.outputs.readers.formats.json:read_json",
    summary="JSON: an object of arrays, a list of objects, or an object a line.",
)

GROWTH = 24
"""Values of JSON take about so many times as much memory as their text."""

HINT = 'write {"probs": [[...], ...], "labels": [...]}, or an object a line, as {"probs": [...], "label": "cat"}'


def read_json(path: Path, columns: Columns) -> Content:
    """The arrays of an object, or the values of one object a sample by their keys.

    A value may be an object of numbers: its keys name the classes. Raises InputError naming the line that cannot be read.
    """
    document = _of_pandas(parsed(path))
    if isinstance(document, Mapping) and not any(isinstance(value, list) for value in document.values()):
        lists = [value for value in document.values() if isinstance(value, Mapping)]
        if len(lists) != len(document):
            document = [document]
    if isinstance(document, Mapping):
        return _of_arrays(document, path)
    return of_rows(document, path, columns.logits or columns.probs)


def _of_pandas(document: Any) -> Any:
    """What `to_json` of pandas writes with `orient` split, table or index as rows; anything else as it is."""
    if not isinstance(document, Mapping):
        return document
    names: Any = document.get("columns")
    data: Any = document.get("data")
    if isinstance(document.get("schema"), Mapping) and isinstance(data, list):
        return data
    split = set(document) == {"columns", "index", "data"} and isinstance(names, list) and isinstance(data, list)
    if split and all(isinstance(row, list) and len(row) == len(names) for row in data):
        return [{str(name): value for name, value in zip(names, row, strict=True)} for row in data]
    rows = list(document.values())
    first = rows[0] if rows and all(isinstance(row, Mapping) for row in rows) else {}
    return rows if any(str(key).lower() in (*LABELS, *OTHER_LABELS) for key in first) else document


def parsed(path: Path) -> Any:
    """The JSON of a file; of lines with a value each a list of them. InputError naming what cannot be read."""
    refuse_beyond_memory(path, GROWTH * path.stat().st_size)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}", HINT) from None
    if not text.strip():
        raise InputError(f"{path}: it is empty", HINT)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as whole:
        if "\n" not in text.strip():
            raise InputError(f"{path}: no sound JSON ({whole})", HINT) from None
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise InputError(f"{path}: line {number}: no sound JSON ({error})", HINT) from None
    return rows


def _of_arrays(document: Mapping[str, Any], path: Path) -> Content:
    if document and all(isinstance(value, Mapping) for value in document.values()):  # pandas: {column: {row: value}}
        document = {name: list(value.values()) for name, value in document.items()}
    arrays: dict[str, NDArray[Any]] = {}
    unused: list[str] = []
    names: tuple[str, ...] | None = None
    for name, value in document.items():
        array = array_of(value) if isinstance(value, list) else None
        if isinstance(value, Mapping) and name in ("id2label", "class_names"):
            names = tuple(str(item) for item in value.values())
        elif array is None:
            unused.append(name)
        else:
            arrays[name] = array
    if not arrays:
        raise InputError(f"{path}: it holds no arrays", HINT)
    return Content(arrays, all(a.ndim == 1 for a in arrays.values()), class_names=names, unused=tuple(unused))


def of_rows(rows: Any, path: object, scores: str | None = None) -> Content:
    """The content of one object a sample. InputError for anything else, and for scores by class of other classes in some row.

    An object of numbers holds scores by class if it has the user's name for them, `scores`, or a usual one, or is the only one.
    """
    if not isinstance(rows, list) or not rows or not all(isinstance(row, Mapping) for row in rows):
        raise InputError(f"{path}: it holds no list of objects", HINT)
    keys = list(dict.fromkeys(key for row in rows for key in row))
    arrays: dict[str, NDArray[Any]] = {}
    unused: list[str] = []
    names: tuple[str, ...] | None = None
    of_classes = _scores_by_class(rows, keys, scores)
    for key in keys:
        values = [row.get(key) for row in rows]
        if any(isinstance(value, Mapping) for value in values):
            by_class = _by_class(values, key, path) if key == of_classes else None
            if by_class is None:
                unused.append(key)
                continue
            arrays[key], names = by_class
            continue
        array = array_of(_fractions(values))
        if array is None:
            unused.append(key)
        else:
            arrays[key] = array
    return Content(arrays, table=True, class_names=names, unused=tuple(unused))


def _fractions(values: list[Any]) -> list[Any]:
    """Percentages with their sign as fractions; other values as they are."""
    if not all(isinstance(value, str) and is_percent(value) for value in values):
        return values
    return [float(value.strip().rstrip("%")) / 100 for value in values]


def _scores_by_class(rows: Sequence[Mapping[str, Any]], keys: Sequence[str], scores: str | None) -> str | None:
    """The key whose objects are scores by class; None if there is none, or several and no name tells."""
    objects = [key for key in keys if isinstance(rows[0].get(key), Mapping)]
    usual = [key for key in objects if key == scores or key.lower() in (*PROBS, *LOGITS)]
    alone = [] if scores is not None or any(key.lower() in (*PROBS, *LOGITS) for key in keys) else objects
    return next(iter(usual), alone[0] if len(alone) == 1 else None)


def _by_class(values: Sequence[Any], key: str, path: object) -> tuple[NDArray[Any], tuple[str, ...]] | None:
    """Objects `{class: score}` as an array `[N, K]` with the names of the classes; None for other objects."""
    if not all(isinstance(value, Mapping) and value for value in values):
        return None
    names = tuple(values[0])
    for row, value in enumerate(values):
        if set(value) != set(names):
            message = f"{path}: row {row}: {key} has the classes {', '.join(value)}, the first row {', '.join(names)}"
            raise InputError(message, "give every row the same classes")
        if not all(isinstance(score, int | float) and not isinstance(score, bool) for score in value.values()):
            return None
    return np.array([[value[name] for name in names] for value in values], dtype=np.float64), names


def array_of(values: list[Any]) -> NDArray[Any] | None:
    """A list of numbers, of words, or of lists of numbers as an array; lists of different length are filled with NaN."""
    if any(isinstance(value, list) for value in values):
        return _matrix(values)
    if all(isinstance(value, bool) for value in values):
        return np.array(values, dtype=bool)
    if all(isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 62 for value in values):
        return np.array(values, dtype=np.int64)
    if all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values):
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    if all(value is None or isinstance(value, str | int | float) for value in values):
        return np.array(values, dtype=object)
    return None


def _matrix(values: list[Any]) -> NDArray[Any] | None:
    try:
        array = np.array(values)
        if array.dtype.kind in "iu" and array.ndim > 1:
            return array if set(np.unique(array).tolist()) <= {0, 1} else array.astype(np.float64)
        if array.dtype.kind in "fb":
            return array
        if array.ndim == 2 and all(isinstance(item, str) for row in values for item in row):
            return array.astype(object)
    except (ValueError, TypeError, OverflowError):
        pass  # rows differ in length
    if not all(
        isinstance(row, list) and all(item is None or type(item) in (int, float) for item in row) for row in values
    ):
        return None
    matrix = np.full((len(values), max(map(len, values))), np.nan)
    for row, items in enumerate(values):
        matrix[row, : len(items)] = [np.nan if item is None else item for item in items]
    return matrix
