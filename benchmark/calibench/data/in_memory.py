"""`run(dataset=...)`: data that a program has in memory, as arrays, tensors or torch Datasets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from calibench.data.arrays import Arrays, Pair
from calibench.data.prepare import SPLITS
from calibench.errors import InputError, did_you_mean
from calibench.plugins.specs import DatasetSpec

READ_TWICE = 16
"""Rows of a torch Dataset that are read twice; random flips of half the rows stay unseen once in 2^16."""

_FORMS = (
    "give calibench.Arrays, a pair (x, y), four of them (train, val, cal, test), or a mapping as {'train': ..., 'test': ...}; "
    "each a pair of arrays or tensors, or a torch Dataset"
)


@dataclass(frozen=True, kw_only=True)
class InMemoryData(DatasetSpec):
    """The spec of a dataset that comes from the calling program, not from a plugin. The record identifies it by its content."""

    from_caller: ClassVar[bool] = True

    arrays: Arrays

    def load(self) -> Callable[..., Arrays]:
        """A function that returns the arrays and ignores its keywords."""
        return lambda **params: self.arrays


def as_dataset(dataset: Any) -> str | InMemoryData | None:
    """A name or None unchanged, and data as the spec of a dataset called `arrays`; InputError for anything else.

    Data are `calibench.Arrays`; a pair `(x, y)` of arrays or tensors, or a map-style torch Dataset, from which every
    split is held out; a tuple of four of these, `(train, val, cal, test)`; or a mapping by split name, with `train` and
    any of the others. Datasets are read once, row by row.
    """
    if dataset is None or isinstance(dataset, str):
        return dataset
    return InMemoryData(
        name="arrays",
        summary="Arrays that the calling program gave.",
        target="calibench.data.in_memory:as_dataset",
        licence="yours",
        source="given from Python as arrays",
        arrays=_with_numpy_arrays(dataset) if isinstance(dataset, Arrays) else _arrays_of(dataset),
    )


def _with_numpy_arrays(arrays: Arrays) -> Arrays:
    """`arrays` with the rows and labels of every split as numpy arrays."""
    pairs = {name: _pair(pair, name) for name in SPLITS[1:] if (pair := getattr(arrays, name)) is not None}
    x, y = _array(arrays.x, "dataset: x"), _array(arrays.y, "dataset: y")
    return replace(arrays, x=x, y=y, **pairs)  # type: ignore[arg-type]


def _arrays_of(dataset: Any) -> Arrays:
    pairs = {name: _pair(rows, name) for name, rows in _splits(dataset).items()}
    x, y = pairs.pop("train")
    return Arrays(x=x, y=y, **pairs)  # type: ignore[arg-type]


def _splits(dataset: Any) -> Mapping[str, Any]:
    """The rows of each split by its name, in the form that the caller used; InputError if the splits cannot be told apart."""
    if isinstance(dataset, Mapping):
        unknown = next((name for name in dataset if name not in SPLITS), None)
        if unknown is not None:
            raise InputError(f"dataset: there is no split {unknown!r}", did_you_mean(str(unknown), SPLITS))
        if "train" not in dataset:
            raise InputError(
                "dataset: there is no split 'train'", "the other splits may be missing: they are held out of it"
            )
        return {name: rows for name, rows in dataset.items() if rows is not None}
    if _is_pair(dataset) or _is_map_style(dataset):
        return {"train": dataset}
    if isinstance(dataset, tuple | list):
        if len(dataset) == len(SPLITS):
            return dict(zip_longest(SPLITS, dataset))
        raise InputError(f"dataset: it has {len(dataset)} parts, and could mean several things", _FORMS)
    if isinstance(dataset, np.ndarray | torch.Tensor):
        raise InputError("dataset: there are rows and no labels", _FORMS)
    _refuse_loaders(dataset, "dataset")
    raise InputError(f"dataset: it is a {type(dataset).__name__}", _FORMS)


def _is_pair(value: Any) -> bool:
    """True for `(x, y)`, False for two splits: those would be pairs or Datasets themselves."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        return False
    return not any(isinstance(part, tuple | Mapping | DataLoader) or _is_map_style(part) for part in value)


def _is_map_style(value: Any) -> bool:
    """True if `value` gives rows by number: a torch Dataset, or a class that works like one."""
    if isinstance(value, torch.utils.data.Dataset):
        return not isinstance(value, IterableDataset)
    other_forms = (np.ndarray, torch.Tensor, Mapping, Sequence, str, bytes, DataLoader)
    sized = hasattr(type(value), "__getitem__") and hasattr(type(value), "__len__")
    return sized and not isinstance(value, other_forms) and not hasattr(value, "__array__")


def _refuse_loaders(value: Any, where: str) -> None:
    if isinstance(value, DataLoader):
        raise InputError(f"{where}: it is a DataLoader", "give its dataset, as loader.dataset: calibench makes batches")
    if isinstance(value, IterableDataset):
        raise InputError(f"{where}: it is an IterableDataset, without a length", "give a map-style Dataset, or arrays")


def _pair(rows: Any, split: str) -> Pair:
    """Rows and labels of one split as arrays."""
    where = f"dataset: {split}"
    _refuse_loaders(rows, where)
    if isinstance(rows, TensorDataset):
        if len(rows.tensors) != 2:
            message = f"{where}: the TensorDataset holds {len(rows.tensors)} tensors"
            raise InputError(message, "give two, TensorDataset(x, y)")
        rows = rows.tensors
    elif _is_map_style(rows):
        rows = _read(rows, where)
    x, y = _two_parts(rows, f"{where}: it", _FORMS)
    return _array(x, f"{where}: x"), _array(y, f"{where}: y")


def _two_parts(value: Any, subject: str, hint: str) -> tuple[Any, Any]:
    """`(x, y)`; InputError, with `subject` first, for anything else."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        content = f"{len(value)} parts" if isinstance(value, tuple | list) else f"a {type(value).__name__}"
        raise InputError(f"{subject} is {content}, not (x, y)", hint)
    return value[0], value[1]


def _read(rows: Any, where: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """All rows of a map-style Dataset, stacked; InputError if reading fails or rows differ in shape or from read to read."""
    try:
        count = len(rows)
        items = [_item(rows[number], number, where) for number in range(count)]
        again = [_item(rows[number], number, where) for number in range(min(count, READ_TWICE))]
    except InputError:
        raise
    except Exception as error:  # from the user's code
        message = f"{where}: reading it failed: {type(error).__name__}: {error}"
        raise InputError(message, "correct the Dataset") from error
    for number, (first, second) in enumerate(zip(items, again, strict=False)):
        if not all(np.array_equal(a, b) for a, b in zip(first, second, strict=True)):
            message = f"{where}: row {number} is not the same when it is read again"
            raise InputError(message, "give it without random transforms; calibench augments training rows itself")
    if not items:
        return np.empty((0, 1), np.float32), np.empty(0, np.int64)
    return _stacked([x for x, _ in items], "x", where), _stacked([y for _, y in items], "y", where)


def _stacked(arrays: list[NDArray[Any]], name: str, where: str) -> NDArray[Any]:
    """All in one array `[N, ...]`; InputError if they differ in shape."""
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        message = f"{where}: rows of {name} differ in shape: {shapes[0]}, {shapes[1]}"
        raise InputError(message, "scale or pad them to one shape")
    return np.stack(arrays)


def _item(item: Any, number: int, where: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """One row of a Dataset and its label as arrays."""
    x, y = _two_parts(item, f"{where}: row {number}", "let __getitem__ return (x, y)")
    if hasattr(x, "getpixel"):
        hint = "add a transform that makes a tensor of it, as torchvision.transforms.ToTensor()"
        raise InputError(f"{where}: row {number} is a PIL image, not an array", hint)
    return _array(x, f"{where}: row {number}, x"), _array(y, f"{where}: row {number}, y")


def _array(values: Any, where: str) -> NDArray[Any]:
    """The values as a numpy array in memory; `calibench.data.checks` checks types and shapes, as for every dataset."""
    if isinstance(values, torch.Tensor):
        if values.layout != torch.strided or values.is_quantized:
            raise InputError(f"{where}: it is a sparse or quantized tensor", "give values.to_dense(), or an array")
        values = values.detach().cpu()
        return np.asarray((values.float() if values.dtype == torch.bfloat16 else values).numpy())
    try:
        return np.asarray(values)
    except (TypeError, ValueError) as error:
        hint = "give an array or a tensor of one shape a row"
        raise InputError(f"{where}: it makes no array ({error})", hint) from None
