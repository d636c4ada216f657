"""Scores and labels as tensors or as numpy arrays: what their checks ask of both, so that arrays need no torch.

Tensors and arrays share most operators and methods, and torch takes `axis` for `dim`.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

from calibench.lazy import np, torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

Labels: TypeAlias = "torch.Tensor | NDArray[np.int64]"
"""Class indices `[N]`."""


def is_tensor(values: Any) -> bool:
    """True for a tensor. A process without torch has none, so torch is not imported."""
    return "torch" in sys.modules and isinstance(values, torch.Tensor)


def is_floating(values: Any) -> bool:
    """True for floating-point numbers of any width."""
    return bool(values.is_floating_point() if is_tensor(values) else values.dtype.kind == "f")


def is_whole(values: Any) -> bool:
    """True for whole numbers: neither floating-point nor complex nor bool."""
    if is_tensor(values):
        return not (values.is_floating_point() or values.is_complex() or values.dtype == torch.bool)
    return bool(values.dtype.kind in "iu")


def is_finite(values: Any) -> Any:
    """Where numbers are neither NaN nor infinite."""
    return torch.isfinite(values) if is_tensor(values) else np.isfinite(values)


def row_sums(values: Any) -> Any:
    """The sum of each row in float64, without a copy of the matrix."""
    return values.sum(axis=1, dtype=torch.float64 if is_tensor(values) else np.float64)


def to_float64(values: Any) -> NDArray[np.float64]:
    """The numbers as a new array in float64."""
    numbers: NDArray[np.float64] = (
        values.detach().cpu().to(torch.float64, copy=True).numpy() if is_tensor(values) else values.astype(np.float64)
    )
    return numbers


def to_int64(values: Any) -> Any:
    """The same whole numbers in int64."""
    return values.long() if is_tensor(values) else values.astype(np.int64, copy=False)


def side_by_side(*columns: Any) -> Any:
    """Columns `[N, 1]` as one matrix."""
    return torch.cat(columns, dim=1) if is_tensor(columns[0]) else np.concatenate(columns, axis=1)


def widened(scores: Any) -> Any:
    """The scores in float64, of the same kind and on the same device."""
    return scores.detach().double() if is_tensor(scores) else scores.astype(np.float64)


def like(scores: Any, array: NDArray[Any]) -> Any:
    """A copy of the array of the same kind as the scores, and on their device."""
    return torch.tensor(array, device=scores.device) if is_tensor(scores) else array


def empty_rows(scores: Any, rows: int) -> Any:
    """Room for so many rows of the same kind and type as the scores."""
    shape = (rows, *scores.shape[1:])
    return scores.new_empty(shape) if is_tensor(scores) else np.empty(shape, dtype=scores.dtype)


def beside(scores: Any, *arrays: Any) -> list[Any]:
    """The arrays as they are beside an array of scores; as tensors beside a tensor."""
    return [as_tensor(array) for array in arrays] if is_tensor(scores) else list(arrays)


def as_tensor(values: Any) -> torch.Tensor:
    """The numbers as a tensor, which shares the memory of an array."""
    if is_tensor(values):
        return values  # type: ignore[no-any-return]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the array is read-only; nobody writes into it
        return torch.from_numpy(values)


def as_array(values: Any) -> NDArray[Any]:
    """The numbers as an array, which shares the memory of a tensor on the CPU."""
    array: NDArray[Any] = values.detach().cpu().numpy() if is_tensor(values) else values
    return array
