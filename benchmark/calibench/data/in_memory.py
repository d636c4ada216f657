"""`run(dataset=...)`: data that a program holds already, as arrays, tensors or torch Datasets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
"""Rows of a torch Dataset that are read twice; a random flip of half the rows stays unseen once in 2^16."""

_SHAPES = (
    "give calibench.Arrays, a pair (x, y), four of them (train, val, cal, test), or a mapping as {'train': ..., 'test': ...}; "
    "each a pair of arrays or tensors, or a torch Dataset"
)


@dataclass(frozen=True, kw_only=True)
class InMemoryData(DatasetSpec):
    """A dataset that no plugin brought: its arrays. The record knows it by their content."""

    in_process: ClassVar[bool] = True

    arrays: Arrays

    def load(self) -> Callable[..., Arrays]:
        """The arrays, whatever is asked."""
        return lambda **facts: self.arrays


def as_dataset(given: Any) -> str | InMemoryData | None:
    """A name as it is, data as the spec of a dataset called `arrays`; InputError for what is neither.

    `given` is `calibench.Arrays`; a pair `(x, y)` of arrays or tensors, or a map-style torch Dataset, out of which every
    split is held out; a tuple of four of these, `(train, val, cal, test)`; or a mapping by split name, with `train` and
    any of the others. Datasets are read once, row by row.
    """
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, Arrays):
        held = {name: _array(getattr(given, name), f"dataset: {name}") for name in ("x", "y")}
        pairs = {name: _pair(pair, name) for name in SPLITS[1:] if (pair := getattr(given, name)) is not None}
        arrays = Arrays(
            **held,  # type: ignore[arg-type]
            **pairs,  # type: ignore[arg-type]
            head_weight=given.head_weight,
            head_bias=given.head_bias,
            notes=given.notes,
            repeats=given.repeats,
        )
    else:
        splits = {name: _pair(part, name) for name, part in _parts(given).items()}
        x, y = splits.pop("train")
        arrays = Arrays(x=x, y=y, **splits)  # type: ignore[arg-type]
    return InMemoryData(
        name="arrays",
        summary="Arrays that the calling program gave.",
        target="calibench.data.in_memory:as_dataset",
        licence="yours",
        source="given from Python as arrays",
        arrays=arrays,
    )


def _parts(given: Any) -> Mapping[str, Any]:
    """The splits by name."""
    if isinstance(given, Mapping):
        odd = next((name for name in given if name not in SPLITS), None)
        if odd is not None:
            raise InputError(f"dataset: there is no split {odd!r}", did_you_mean(str(odd), SPLITS))
        if "train" not in given:
            raise InputError("dataset: there is no split 'train'", "the others may be missing: they are held out of it")
        return {name: part for name, part in given.items() if part is not None}
    if _is_pair(given) or _is_map_style(given):
        return {"train": given}
    if isinstance(given, tuple | list):
        if len(given) == len(SPLITS):
            return dict(zip_longest(SPLITS, given))
        raise InputError(f"dataset: it has {len(given)} parts, and could mean several things", _SHAPES)
    if isinstance(given, np.ndarray | torch.Tensor):
        raise InputError("dataset: there are rows and no labels", _SHAPES)
    _refuse_loaders(given, "dataset")
    raise InputError(f"dataset: it is a {type(given).__name__}", _SHAPES)


def _is_pair(given: Any) -> bool:
    """`(x, y)` and not two splits, which would be pairs or Datasets themselves."""
    if not isinstance(given, tuple | list) or len(given) != 2:
        return False
    return not any(isinstance(part, tuple | Mapping | DataLoader) or _is_map_style(part) for part in given)


def _is_map_style(given: Any) -> bool:
    """Rows by number: a torch Dataset, or what looks like one."""
    if isinstance(given, torch.utils.data.Dataset):
        return not isinstance(given, IterableDataset)
    known = (np.ndarray, torch.Tensor, Mapping, Sequence, str, bytes, DataLoader)
    sized = hasattr(type(given), "__getitem__") and hasattr(type(given), "__len__")
    return sized and not isinstance(given, known) and not hasattr(given, "__array__")


def _refuse_loaders(given: Any, where: str) -> None:
    if isinstance(given, DataLoader):
        raise InputError(f"{where}: it is a DataLoader", "give its dataset, as loader.dataset: calibench makes batches")
    if isinstance(given, IterableDataset):
        raise InputError(f"{where}: it is an IterableDataset, without a length", "give a map-style Dataset, or arrays")


def _pair(given: Any, split: str) -> Pair:
    """Rows and labels of one split."""
    where = f"dataset: {split}"
    _refuse_loaders(given, where)
    if isinstance(given, TensorDataset):
        if len(given.tensors) != 2:
            message = f"{where}: the TensorDataset holds {len(given.tensors)} tensors"
            raise InputError(message, "two are wanted, TensorDataset(x, y)")
        given = given.tensors
    elif _is_map_style(given):
        given = _read(given, where)
    if not isinstance(given, tuple | list) or len(given) != 2:
        what = f"{len(given)} parts" if isinstance(given, tuple | list) else f"a {type(given).__name__}"
        raise InputError(f"{where}: it is {what}, not (x, y)", _SHAPES)
    return _array(given[0], f"{where}: x"), _array(given[1], f"{where}: y")


def _read(rows: Any, where: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """All rows of a map-style Dataset, stacked; InputError for one that changes from reading to reading."""
    try:
        count = len(rows)
        items = [_item(rows[number], number, where) for number in range(count)]
        again = [_item(rows[number], number, where) for number in range(min(count, READ_TWICE))]
    except InputError:
        raise
    except Exception as error:  # the user's code
        raise InputError(f"{where}: reading it failed: {type(error).__name__}: {error}", "mend the Dataset") from error
    for number, (first, second) in enumerate(zip(items, again, strict=False)):
        if not all(np.array_equal(a, b) for a, b in zip(first, second, strict=True)):
            message = f"{where}: row {number} is not the same when it is read again"
            raise InputError(message, "give it without random transforms; calibench augments training rows itself")
    for part, name in enumerate("xy"):
        shapes = {item[part].shape for item in items}
        if len(shapes) > 1:
            message = f"{where}: rows of {name} differ in shape: {sorted(shapes)[0]}, {sorted(shapes)[1]}"
            raise InputError(message, "scale or pad them to one shape")
    x, y = ([item[part] for item in items] for part in range(2))
    return np.stack(x) if x else np.empty((0, 1), np.float32), np.stack(y) if y else np.empty(0, np.int64)


def _item(item: Any, number: int, where: str) -> tuple[NDArray[Any], NDArray[Any]]:
    if not isinstance(item, tuple | list) or len(item) != 2:
        what = f"{len(item)} parts" if isinstance(item, tuple | list) else f"a {type(item).__name__}"
        raise InputError(f"{where}: row {number} is {what}, not (x, y)", "let __getitem__ return (x, y)")
    if hasattr(item[0], "getpixel"):
        hint = "add a transform that makes a tensor of it, as torchvision.transforms.ToTensor()"
        raise InputError(f"{where}: row {number} is a picture, not an array", hint)
    return _array(item[0], f"{where}: row {number}, x"), _array(item[1], f"{where}: row {number}, y")


def _array(values: Any, where: str) -> NDArray[Any]:
    """As a numpy array in memory; types and shapes are checked where every dataset's are."""
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
