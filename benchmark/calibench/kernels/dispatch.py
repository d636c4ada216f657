"""One way from a typed function to its fused operator."""

from __future__ import annotations

from typing import Any

import torch

from calibench.kernels import checks
from calibench.kernels.result import Fault


def call(where: str, op: str, *arguments: Any) -> Any:
    """`torch.ops.calibench.<op>(*arguments)`; InputError where it names a bad row."""
    operator = getattr(torch.ops.calibench, op).default
    if torch.compiler.is_compiling():
        return operator(*arguments)
    try:
        # Past the Python kernel that refuses gradients: the typed functions have refused them already.
        with torch._C._AutoDispatchBelowAutograd():
            return operator(*arguments)
    except RuntimeError as error:
        checks.translate(where, error)


def fault(where: str, flag: torch.Tensor, classes: int) -> Fault | None:
    """The fault to attach to a result: None on the CPU, whose kernels have raised already."""
    return None if flag.device.type == "cpu" else Fault(where, classes, flag)
