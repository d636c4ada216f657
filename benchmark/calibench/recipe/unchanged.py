"""A stage of a plugin may read its inputs, and not write into them: other stages have the same tensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from calibench.errors import RunError

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@contextmanager
def unchanged(what: str, **inputs: torch.Tensor | None) -> Iterator[None]:
    """RunError that names `what` and the input, if the block writes into one of `inputs`, through torch, numpy or anything else.

    The bits are added up before and after, as whole numbers of an element's size, in one pass over the data each.
    """
    tensors = {name: tensor for name, tensor in inputs.items() if tensor is not None}
    before = {name: _sum_of_bits(tensor) for name, tensor in tensors.items()}
    yield
    for name, tensor in tensors.items():
        if _sum_of_bits(tensor) != before[name]:
            message = f"{what} changes its input {name} in place, which other stages read"
            raise RunError(message, f"correct the plugin: let it change a copy, {name}.clone()")


def _sum_of_bits(tensor: torch.Tensor) -> int:
    kind = _INTEGERS[tensor.element_size()]
    return int(
        tensor.detach().view(kind).sum(dtype=kind)
    )  # of its own type, which overflows: another one would be a copy
