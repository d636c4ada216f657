"""Stored outputs of any classifier: `.npz`, `.csv` or `.parquet` to checked scores and labels."""

from __future__ import annotations

import csv
import fnmatch
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from calibench.data.numpy_files import existing, read_npy, read_npz
from calibench.errors import InputError, did_you_mean
from calibench.lazy import np, torch
from calibench.outputs.outputs import Outputs
from calibench.outputs.several_labels import checked_samples

if TYPE_CHECKING:
    from numpy.typing import NDArray

LABEL_NAMES = ("labels", "label")
Table: TypeAlias = "dict[str, NDArray[Any]]"


@dataclass(frozen=True)
class Columns:
    """Which arrays or columns hold what, where they do not have their usual names.

    In an `.npz` `logits` or `probs` is an array's name; in a table it is column names or patterns, joined by commas, and so
    may `label` be, of several labels a row.
    """

    logits: str | None = None
    probs: str | None = None
    label: str | None = None


def read_outputs(path: str | Path, columns: Columns | None = None) -> tuple[Outputs, torch.Tensor]:
    """Outputs and labels of a file as they are judged, checked; InputError naming the file, and the row or column."""
    columns = columns or Columns()
    if columns.logits and columns.probs:
        raise InputError("the scores are logits or probabilities, not both", "give --logits or --probs")
    file = existing(path)
    kind = file.suffix.lower()
    if kind == ".npz":
        scores, labels, from_probs = _from_npz(path, columns)
    elif kind in {".csv", ".parquet"}:
        table = _read_csv(file) if kind == ".csv" else _read_parquet(file)
        scores, labels, from_probs = _from_table(path, table, columns)
    else:
        raise InputError(f"{path}: cannot read files of type {kind or 'unknown'!r}", "use .npz, .csv or .parquet")
    return checked_samples(torch.from_numpy(scores), torch.from_numpy(labels), from_probs, str(path))


def read_soft(path: str | Path, name: str) -> NDArray[Any]:
    """Shares of people's answers: the array `name` of the `.npz`, or the `.npy` file of that name."""
    if name.endswith(".npy"):
        return read_npy(name)
    if Path(path).suffix.lower() != ".npz":
        raise InputError(f"{path} is a table: it holds no array {name!r}", "give the shares as a .npy file")
    return _named(read_npz(path), name, path)


def _from_npz(path: str | Path, columns: Columns) -> tuple[NDArray[Any], NDArray[np.int64], bool]:
    arrays = read_npz(path)
    asked = columns.logits or columns.probs
    there = [name for name in ("logits", "probs") if name in arrays]
    if asked is None and len(there) != 1:
        what = "both 'logits' and 'probs'" if there else "neither 'logits' nor 'probs'"
        holds = ", ".join(arrays) or "nothing"
        raise InputError(f"{path} holds {what} (it holds {holds})", "name the scores: --logits NAME or --probs NAME")
    name = asked or there[0]
    scores = _named(arrays, name, path)
    label = columns.label or next((n for n in LABEL_NAMES if n in arrays), LABEL_NAMES[0])
    labels = _named(arrays, label, path)
    if scores.dtype.kind != "f":
        raise InputError(f"{path}: {name!r} has type {scores.dtype}", "store floating-point numbers")
    if labels.dtype.kind not in ("iub" if labels.ndim == 2 else "iu"):
        raise InputError(f"{path}: {label!r} has type {labels.dtype}", "store class indices as integers")
    if scores.dtype.itemsize > 8:
        raise InputError(f"{path}: {name!r} has type {scores.dtype}", "store float64 or narrower")
    from_probs = columns.probs is not None or (columns.logits is None and name == "probs")
    return _native(scores), _native(labels).astype(np.int64), from_probs


def _from_table(path: str | Path, table: Table, columns: Columns) -> tuple[NDArray[Any], NDArray[np.int64], bool]:
    label = columns.label or next((n for n in LABEL_NAMES if n in table), LABEL_NAMES[0])
    several = label not in table and not set(",*?[").isdisjoint(label)
    truths = _matching(label, table, (), path) if several else [label]
    for name in truths:
        _named(table, name, path)
    names = _matching(columns.logits or columns.probs or "*", table, truths, path)
    scores = np.stack([_numbers(table[name], path, name) for name in names], axis=1)
    if len(truths) == 1:
        return scores, _classes(table[truths[0]], names, path, truths[0]), columns.logits is None
    answers = np.stack([_numbers(table[name], path, name) for name in truths], axis=1)
    if not np.isin(answers, (0, 1)).all():
        row, column = np.argwhere(~np.isin(answers, (0, 1)))[0]
        raise InputError(f"{path}: row {row}: {truths[column]} is {answers[row, column]:g}", "labels are 0 or 1")
    return scores, answers.astype(np.int64), columns.logits is None


def _matching(patterns: str, table: Table, but: Sequence[str], path: str | Path) -> list[str]:
    """Columns by names or patterns joined by commas, in that order, but those of `but`."""
    names: list[str] = []
    for pattern in (part.strip() for part in patterns.split(",")):
        matched = [n for n in table if n not in but and fnmatch.fnmatchcase(n, pattern)]
        if not matched:
            raise InputError(f"{path}: no column is called {pattern!r}", did_you_mean(pattern, table))
        names += [n for n in matched if n not in names]
    return names


def _numbers(values: NDArray[Any], path: str | Path, name: str) -> NDArray[np.float64]:
    if values.dtype.kind in "fiu":
        return values.astype(np.float64)
    numbers = np.empty(len(values))
    for row, value in enumerate(values):
        try:
            numbers[row] = float(value)
        except (TypeError, ValueError):
            hint = "score columns hold numbers; leave other columns out with --probs a,b,c"
            raise InputError(f"{path}: row {row}: {name} is {value!r}, not a number", hint) from None
    return numbers


def _classes(truth: NDArray[Any], names: list[str], path: str | Path, label: str) -> NDArray[np.int64]:
    """Class indices; words are taken as names of score columns."""
    if truth.dtype.kind in "iu":
        return truth.astype(np.int64)
    place = {name: k for k, name in enumerate(names)}
    classes = np.empty(len(truth), dtype=np.int64)
    for row, value in enumerate(truth):
        text = str(value).strip()
        try:
            number = float(text)
            if not number.is_integer():
                raise ValueError(text)
            classes[row] = int(number)
        except (ValueError, OverflowError):
            if text not in place:
                message = f"{path}: row {row}: {label} is {text!r}, no class index and no score column's name"
                raise InputError(message, f"use 0 .. {len(names) - 1}, or a column's name") from None
            classes[row] = place[text]
    return classes


def _read_csv(path: Path) -> Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            rows = []
            for values in reader:
                if not values:
                    continue
                if len(values) != len(header):
                    message = f"{path}: line {reader.line_num} has {len(values)} values, the header {len(header)}"
                    raise InputError(message, "one value for each column")
                rows.append(values)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {path}: {error}", "write a UTF-8 CSV with a header line") from None
    if not header or not rows:
        raise InputError(
            f"{path}: {'there are no rows' if header else 'it is empty'}", "a header line, then one line a sample"
        )
    _refuse_twins(path, header)
    return {name: np.array(column, dtype=object) for name, column in zip(header, zip(*rows, strict=True), strict=True)}


def _read_parquet(path: Path) -> Table:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("reading .parquet needs pyarrow", 'pip install "calibench[parquet]"') from None
    try:
        _refuse_twins(path, pyarrow.parquet.read_schema(path).names)
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"cannot read {path}: {error}", "write it with pandas.to_parquet or pyarrow") from None
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count:
            row = column.is_null().to_pylist().index(True)
            raise InputError(f"{path}: row {row}: {name} is missing", "fill or drop the row")
    return {name: column.to_numpy() for name, column in zip(table.column_names, table.columns, strict=True)}


def _refuse_twins(path: Path, names: Sequence[str]) -> None:
    twice = next((name for name, times in Counter(names).items() if times > 1), None)
    if twice is not None:
        raise InputError(f"{path}: two columns are called {twice!r}", "rename one")


def _named(arrays: Table, name: str, path: str | Path) -> NDArray[Any]:
    if name not in arrays:
        raise InputError(f"{path}: there is no {name!r}", did_you_mean(name, arrays))
    return arrays[name]


def _native(array: NDArray[Any]) -> NDArray[Any]:
    """Contiguous, writable and in this machine's byte order, as torch wants it."""
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
