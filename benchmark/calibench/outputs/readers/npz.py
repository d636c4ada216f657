"""Read an `.npz` of outputs: one array of logits or probabilities, and one of labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calibench.data.numpy_files import npz_names, read_npz
from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.readers.columns import Columns, StoredSamples, array_named, label_name

if TYPE_CHECKING:
    from numpy.typing import NDArray


def samples_from_npz(path: str | Path, columns: Columns) -> StoredSamples:
    """Scores and labels of an `.npz`. Raises InputError naming the file and the array.

    Scores are floating-point numbers of at most 64 bits. Labels are whole numbers, or booleans if they are `[N, Q]`.
    """
    arrays = read_npz(path)
    name = scores_name(columns, arrays, path)
    from_probs = columns.probs is not None or (columns.logits is None and name == "probs")
    return StoredSamples(_scores(name, arrays, path), _labels(label_name(columns, arrays), arrays, path), from_probs)


def unread_arrays(path: str | Path, columns: Columns, soft: str | None = None) -> list[str]:
    """The names of the arrays in an `.npz` that an evaluation with these `columns` and `soft` labels does not use."""
    arrays = dict.fromkeys(npz_names(path))
    return [
        name for name in arrays if name not in {scores_name(columns, arrays, path), label_name(columns, arrays), soft}
    ]


def warn_of_unread(path: str | Path, columns: Columns, soft: str | None = None) -> list[str]:
    """A warning that names the arrays of an `.npz` that an evaluation does not use, such as sample weights; or none."""
    unread = unread_arrays(path, columns, soft) if Path(path).suffix.lower() == ".npz" else []
    return [f"not used of this file: {', '.join(unread)}"] if unread else []


def scores_name(columns: Columns, arrays: Mapping[str, Any], path: str | Path) -> str:
    """The user's name of the scores, else `logits` or `probs`, whichever the file holds. InputError if that is not one."""
    name = columns.logits or columns.probs
    if name:
        return name
    usual = [name for name in ("logits", "probs") if name in arrays]
    if len(usual) != 1:
        which = "both 'logits' and 'probs'" if usual else "neither 'logits' nor 'probs'"
        names = ", ".join(arrays) or "nothing"
        raise InputError(f"{path} holds {which} (it holds {names})", "name the scores: --logits NAME or --probs NAME")
    return usual[0]


def _scores(name: str, arrays: Mapping[str, NDArray[Any]], path: str | Path) -> NDArray[Any]:
    scores = array_named(name, arrays, path)
    if scores.dtype.kind != "f":
        raise InputError(f"{path}: {name!r} has type {scores.dtype}", "store floating-point numbers")
    if scores.dtype.itemsize > 8:
        raise InputError(f"{path}: {name!r} has type {scores.dtype}", "store float64 or narrower")
    return _native(scores)


def _labels(name: str, arrays: Mapping[str, NDArray[Any]], path: str | Path) -> NDArray[np.int64]:
    labels = array_named(name, arrays, path)
    if labels.dtype.kind not in ("iub" if labels.ndim == 2 else "iu"):
        raise InputError(f"{path}: {name!r} has type {labels.dtype}", "store class indices as integers")
    return _native(labels).astype(np.int64)


def _native(array: NDArray[Any]) -> NDArray[Any]:
    """A copy that torch accepts: contiguous, writable, and in this machine's byte order."""
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
