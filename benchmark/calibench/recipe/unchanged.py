"""A stage of a plugin may read its inputs, and not write into them: other stages have the same tensors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from calibench.errors import RunError

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@contextmanager
def unchanged(what: str, **inputs: torch.Tensor) -> Iterator[None]:
    """RunError that names `what` and the input, if the block changes the numbers of one of `inputs`, by torch, numpy or else.

    The bits are added up before and after, as whole numbers of an element's size, in one pass over the data each. So numbers that
    only change places are not seen; `calibench plugin check`, which compares copies, sees them.
    """
    before = {name: _sum_of_bits(tensor) for name, tensor in inputs.items()}
    yield
    for name, tensor in inputs.items():
        if _sum_of_bits(tensor) != before[name]:
            message = f"{what} changes its input {name} in place, which other stages read"
            raise RunError(message, f"correct the plugin: let it change a copy, {name}.clone()")


def _sum_of_bits(tensor: torch.Tensor) -> int:
    """The sum overflows in the elements' own size, since a sum of another type would be of a copy."""
    kind = _INTEGERS[tensor.element_size()]
    return int(tensor.detach().view(kind).sum(dtype=kind))
