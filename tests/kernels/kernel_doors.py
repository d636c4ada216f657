"""The two doors to the CPU kernels: torch's tensors and numpy's arrays. A test names the door, and compares tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from calibench.kernels import Result
from calibench.kernels.numpy_operators import numpy_operators
from calibench.kernels.signatures import JUDGING_OPS, OPS

DOORS = ("torch", "numpy")

each_door = pytest.mark.parametrize("door", DOORS)
needs_numpy = pytest.mark.skipif(
    numpy_operators().error is not None, reason=f"no kernels for numpy arrays: {numpy_operators().error}"
)


def as_numpy(value: Any) -> Any:
    """Each tensor as the numpy array of the same memory, also in lists; other values as they are."""
    if isinstance(value, list):
        return [as_numpy(item) for item in value]
    return value.numpy() if isinstance(value, torch.Tensor) else value


def as_tensors(value: Any) -> Any:
    """Each numpy array as a tensor, also in tuples and results."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    if isinstance(value, Result):
        return type(value)(*map(as_tensors, value))
    if isinstance(value, tuple):
        values = [as_tensors(item) for item in value]
        return type(value)(*values) if hasattr(value, "_fields") else tuple(values)
    return value


def through(door: str, function: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    """What a typed function makes of tensors, which go through the door and come back."""
    if door == "torch":
        return function(*inputs, **options)
    options = {name: as_numpy(value) for name, value in options.items()}
    return as_tensors(function(*map(as_numpy, inputs), **options))


def operator(door: str, op: str) -> Callable[..., Any]:
    """The compiled operator itself, called with tensors in the order or by the names of its schema."""
    if door == "torch":
        return getattr(torch.ops.calibench, op)
    arguments = {**OPS, **JUDGING_OPS}[op].partition(" -> ")[0].split(", ")
    names = [argument.rpartition(" ")[2] for argument in arguments]

    def call(*inputs: Any, **by_name: Any) -> Any:
        values = (*inputs, *(by_name[name] for name in names[len(inputs) :]))
        return as_tensors(numpy_operators().functions[op](*map(as_numpy, values)))

    return call
