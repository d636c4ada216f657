"""No metric has a gradient: `backward()` through a fused operator says so, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import torch

MUTABLE = {"calibration_update"}
"""torch registers formulas for operators that change nothing; for this one a kernel of the Autograd key refuses."""

_LIBRARY = torch.library.Library("calibench", "IMPL")


def register(ops: Iterable[str]) -> None:
    """Gives each of these operators a backward that raises; called once, after the library is loaded."""
    for op in ops:
        if op in MUTABLE:
            _LIBRARY.impl(op, _update, "Autograd", with_keyset=True)
        else:
            torch.library.register_autograd(f"calibench::{op}", _refusal(op))


def _refusal(op: str) -> Any:
    def backward(context: object, *gradients: torch.Tensor) -> NoReturn:
        raise RuntimeError(f"calibench: {op}: metrics are not differentiable; call .detach() on the input first")

    return backward


def _update(keyset: Any, *arguments: Any) -> None:
    """`calibration_update` below autograd: nothing that it is given may want a gradient."""
    if torch.is_grad_enabled() and any(isinstance(a, torch.Tensor) and a.requires_grad for a in arguments):
        raise RuntimeError("calibench: calibration_update: metrics are not differentiable; call .detach() on the input")
    with torch._C._AutoDispatchBelowAutograd():
        torch.ops.calibench.calibration_update.default.redispatch(keyset & torch._C._after_autograd_keyset, *arguments)
