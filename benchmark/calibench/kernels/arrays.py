"""The kinds of arrays that the kernels take: torch's tensors, and numpy's arrays for work on the CPU without torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from calibench.lazy import torch

if TYPE_CHECKING:
    from typing_extensions import TypeIs, TypeVar

    NumpyArray = npt.NDArray[Any]

    Array = TypeVar("Array", torch.Tensor, NumpyArray, default=torch.Tensor)
    """A function takes arrays of one kind and returns that kind. A result is one of tensors where nothing else is said."""
else:
    from typing import TypeVar

    Array = TypeVar("Array")


def is_numpy(value: object) -> TypeIs[npt.NDArray[Any]]:
    """True for a numpy array. Asks nothing of torch, which may not be imported."""
    return isinstance(value, np.ndarray)


def detached(array: Array) -> Array:
    """The same numbers without a gradient."""
    return array if is_numpy(array) else array.detach()


def empty_like(array: Array, dtype: str) -> Array:
    """An array of no numbers, of the same kind and on the same device."""
    if is_numpy(array):
        return np.empty(0, dtype=dtype)
    return array.new_empty((0,), dtype=getattr(torch, dtype))


def as_type(array: Array, dtype: str) -> Array:
    """The same numbers in another type; the array itself if it has that type."""
    return array.astype(dtype, copy=False) if is_numpy(array) else array.to(getattr(torch, dtype))


def doubles(array: Array, like: Array) -> Array:
    """The same numbers in float64, side by side, without a gradient, on the device of `like`."""
    if is_numpy(array):
        return np.ascontiguousarray(array, dtype=np.float64)
    return array.detach().to(device=like.device, dtype=torch.float64).contiguous()


def is_array(value: object) -> bool:
    """True for a numpy array, a tensor, and anything else with a shape; False for a number. Imports no torch."""
    return hasattr(value, "shape") and not isinstance(value, np.generic)


def values_of(array: Array) -> npt.NDArray[Any]:
    """The numbers as a numpy array: of a tensor on the CPU, or of a numpy array itself."""
    if is_numpy(array):
        return array
    numbers: npt.NDArray[Any] = (array.detach().float() if array.dtype == torch.bfloat16 else array.detach()).numpy()
    return numbers


def through_torch(function: Callable[..., Any], *inputs: Any) -> Any:
    """The result of a function of tensors. Numpy arrays go in as tensors, and its tensors come out as numpy arrays."""
    if not any(map(is_numpy, inputs)):
        return function(*inputs)
    return _to_numpy(function(*map(_to_torch, inputs)))


def through_cpu(function: Callable[..., Any], *inputs: Any) -> Any:
    """The same for a function of tensors on the CPU. Those of a GPU go in as copies, and its tensors come out on that GPU."""
    device = next((value.device for value in inputs if isinstance(value, torch.Tensor)), None)
    if device is None or device.type == "cpu":
        return through_torch(function, *inputs)
    return _to_device(function(*_to_device(inputs, "cpu")), device)


def _to_device(value: Any, device: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(_to_device(item, device) for item in value)
    return value.to(device) if isinstance(value, torch.Tensor) else value


def _to_torch(value: Any) -> Any:
    if isinstance(value, list):
        return [_to_torch(item) for item in value]
    if not is_numpy(value):
        return value
    return torch.from_numpy(value if value.flags.writeable else value.copy())


def _to_numpy(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_to_numpy, value))
    return value.numpy() if isinstance(value, torch.Tensor) else value
