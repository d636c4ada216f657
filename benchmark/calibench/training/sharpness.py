"""Sharpness-aware minimisation (Foret et al., ICLR 2021, arXiv 2010.01412): the second pass of a step, at weights uphill.

A step takes the gradient at `w + rho g / |g|`, where g is the gradient at w, and applies it to w.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import nn

from calibench.processes import Processes
from calibench.seeds import random_state, restore_random_state


def repeatable(
    step: Callable[[torch.Tensor], torch.Tensor], rows: torch.Tensor, processes: Processes
) -> Callable[[], torch.Tensor]:
    """A function that returns `step(rows)` with the random draws of a first `step(rows)`, which must come right after this call.

    So both passes see one augmentation, one dropout mask and one mixing weight, and the draws of later steps do not change.
    """
    state, number = random_state(rows.device), processes.step

    def again() -> torch.Tensor:
        restore_random_state(state, rows.device)
        processes.step = number
        return step(rows)

    return again


@contextlib.contextmanager
def uphill(parameters: Sequence[torch.Tensor], rho: float) -> Iterator[bool]:
    """Inside the block the weights are `w + rho g / |g|`; after it they are w again, to the last bit.

    g are the gradients that the parameters hold, |g| their L2 norm over all parameters. Yields False, and changes nothing, if
    |g| is 0 or not finite: there is no direction then. A factor of all gradients (float16's scale) changes nothing either.
    """
    moving = [p for p in parameters if p.grad is not None]
    norms = [torch.linalg.vector_norm(p.grad) for p in moving if p.grad is not None]
    norm = float(torch.linalg.vector_norm(torch.stack(norms))) if norms else 0.0
    if not 0 < norm < float("inf"):
        yield False
        return
    before = [p.detach().clone() for p in moving]
    with torch.no_grad():
        for p in moving:
            assert p.grad is not None
            p.add_(p.grad, alpha=rho / norm)
    try:
        yield True
    finally:
        with torch.no_grad():
            for p, weights in zip(moving, before, strict=True):
                p.copy_(weights)


@contextlib.contextmanager
def buffers_kept(modules: Sequence[nn.Module]) -> Iterator[None]:
    """After the block every buffer is as before it: batch norm's running statistics describe w and not the weights uphill."""
    buffers = [buffer for module in modules for buffer in module.buffers()]
    before = [buffer.clone() for buffer in buffers]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in zip(buffers, before, strict=True):
                buffer.copy_(value)
