"""The C++ boundary: every operator with arguments of any shape, type, stride and layout. It may raise, and must not crash."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import torch

SIZES = (0, 1, 2, 3, 5, 17, 64, 257)
TYPES = (
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.uint8, torch.bool),
    *(torch.complex64, torch.int16),
)
INTEGERS = (0, 1, 2, 3, 10, 15, 100, -1, 2**31, 2**62, -(2**63), 2**63 - 1)
REFUSALS = (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError, MemoryError, OverflowError)
"""What an operator may raise."""


def operators() -> list[Any]:
    """The schemas of the operators of calibench."""
    from calibench import kernels

    kernels.extension_status()
    return [schema for schema in torch._C._jit_get_all_schemas() if schema.name.startswith("calibench::")]


def tensor(chance: random.Random, rows: int, classes: int) -> torch.Tensor:
    """A tensor: often of matching shape, at times of any."""
    shape = chance.choice(
        ((rows, classes), (rows, classes), (rows,), (rows,), (classes,), (), (rows, classes, 2), (2, rows))
    )
    if chance.random() < 0.15:
        shape = tuple(chance.choice(SIZES) for _ in range(chance.randrange(4)))
    kind = chance.choice((torch.float64, torch.float32, torch.int64, torch.int64, *TYPES))
    if kind.is_floating_point:
        made = torch.randn(shape, dtype=torch.float64).to(kind)
        if made.numel() and chance.random() < 0.2:
            made.view(-1)[chance.randrange(made.numel())] = chance.choice((float("nan"), float("inf"), -1e30))
    elif kind == torch.bool:
        made = torch.rand(shape) < 0.5
    else:
        made = torch.randint(0, max(classes, 1), shape).to(kind)
        if made.numel() and chance.random() < 0.2 and kind == torch.int64:
            made.view(-1)[chance.randrange(made.numel())] = chance.choice(INTEGERS)
    return _laid_out(made, chance)


def _laid_out(made: torch.Tensor, chance: random.Random) -> torch.Tensor:
    """The tensor with other strides, on the meta device, sparse, or as it is."""
    how = chance.randrange(14)
    if how == 0:
        return made.t() if made.ndim == 2 else made
    if how == 1 and made.ndim:
        return made.repeat_interleave(2, 0)[::2]
    if how == 2:
        return made.to("meta")
    if how == 3 and made.ndim:
        return made[:1].expand_as(made)
    if how == 4 and made.ndim and made.dtype != torch.bool:
        return made.to_sparse()
    if how == 5:
        return made.requires_grad_() if made.is_floating_point() else made
    if how == 6 and made.ndim:
        return made.flip(0)[1:] if len(made) else made
    return made


def argument(kind: str, chance: random.Random, rows: int, classes: int) -> Any:
    """A value for an argument of a schema's type."""
    if kind == "Tensor":
        return tensor(chance, rows, classes)
    if kind.startswith("List[Tensor]") or kind == "Tensor[]":
        return [tensor(chance, rows, classes) for _ in range(chance.randrange(4))]
    if kind == "int":
        return chance.choice(INTEGERS)
    if kind == "bool":
        return chance.random() < 0.5
    return chance.choice((0.0, 0.5, 1.0, -1.0, float("nan"), float("inf"), 1e308))


def run(schemas: list[Any], chance: random.Random) -> str:
    """Call one operator once; returns its name and the arguments in words, for a report."""
    schema = chance.choice(schemas)
    rows, classes = chance.choice(SIZES), chance.choice((1, 2, 3, 10))
    values = [argument(str(a.type), chance, rows, classes) for a in schema.arguments]
    words = ", ".join(
        f"{tuple(v.shape)} {v.dtype} {v.device.type} {v.layout}" if isinstance(v, torch.Tensor) else repr(v)[:60]
        for v in values
    )
    call = getattr(torch.ops.calibench, schema.name.partition("::")[2])
    print(f"{schema.name}({words})", file=LAST, flush=True) if LAST else None
    with contextlib.suppress(*REFUSALS):
        call(*values)
    return f"{schema.name}({words})"


LAST: Any = None
"""A file that gets each call before it is made, so that a crash can be found."""
