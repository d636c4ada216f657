"""No metric has a gradient: `backward()` through a fused operator raises an error with a remedy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import torch

MUTABLE = {"calibration_update"}
"""Operators that change their inputs. torch registers no backward formula for them: a kernel of the Autograd key refuses."""

_LIBRARY = torch.library.Library("calibench", "IMPL")


def register(ops: Iterable[str]) -> None:
    """Registers a backward that raises for each operator. Called once, after the library is loaded."""
    for op in ops:
        if op in MUTABLE:
            _LIBRARY.impl(op, _update, "Autograd", with_keyset=True)
        else:
            torch.library.register_autograd(f"calibench::{op}", _refusal(op))


def _refusal(op: str) -> Any:
    def backward(context: object, *gradients: torch.Tensor) -> NoReturn:
        raise RuntimeError(f"calibench: {op}: metrics are not differentiable; call .detach() on the input first")

    return backward


def _update(keyset: Any, *inputs: Any) -> None:
    """`calibration_update` below autograd; RuntimeError if an input requires a gradient."""
    if torch.is_grad_enabled() and any(isinstance(value, torch.Tensor) and value.requires_grad for value in inputs):
        raise RuntimeError("calibench: calibration_update: metrics are not differentiable; call .detach() on the input")
    with torch._C._AutoDispatchBelowAutograd():
        torch.ops.calibench.calibration_update.default.redispatch(keyset & torch._C._after_autograd_keyset, *inputs)
