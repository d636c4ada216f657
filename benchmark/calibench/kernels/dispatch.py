"""Calls of the fused operators, for all typed functions."""

from __future__ import annotations

from typing import Any

import torch

from calibench.kernels import checks
from calibench.kernels.result import Fault


def call(caller: str, op: str, *inputs: Any) -> Any:
    """The result of `torch.ops.calibench.<op>(*inputs)`; InputError if the operator reports a bad row."""
    operator = getattr(torch.ops.calibench, op).default
    if torch.compiler.is_compiling():
        return operator(*inputs)
    try:
        # Skips the Python kernel that refuses gradients: the typed functions have refused them already.
        with torch._C._AutoDispatchBelowAutograd():
            return operator(*inputs)
    except RuntimeError as error:
        checks.translate(caller, error)


def fault(caller: str, flag: torch.Tensor, classes: int) -> Fault | None:
    """The fault to attach to a result; None on the CPU, where the operator raises its errors itself."""
    return None if flag.device.type == "cpu" else Fault(caller, classes, flag)
