"""Calls of the fused operators, for all typed functions, and of the float64 reference that defines their results."""

from __future__ import annotations

from typing import Any

from calibench.kernels import checks, loader
from calibench.kernels.arrays import is_numpy, through_cpu, through_torch
from calibench.kernels.result import Fault
from calibench.kernels.signatures import JUDGING_OPS
from calibench.lazy import torch


def call(caller: str, op: str, *inputs: Any) -> Any:
    """The result of the operator `op`; InputError if it reports a bad row.

    It is `torch.ops.calibench.<op>`, or that of `calibench._C` if the first input is a numpy array.
    """
    of_numpy = is_numpy(inputs[0])
    operator = loader.numpy_operator(op) if of_numpy else getattr(torch.ops.calibench, op).default
    if not of_numpy and torch.compiler.is_compiling():
        return operator(*inputs)
    try:
        if of_numpy:
            return operator(*inputs)
        # Skips the Python kernel that refuses gradients: the typed functions have refused them already.
        with torch._C._AutoDispatchBelowAutograd():
            return operator(*inputs)
    except RuntimeError as error:
        checks.translate(caller, error)


def define(op: str, *inputs: Any) -> Any:
    """The result of the float64 reference of `op`, which runs in torch; of numpy arrays it is made of numpy arrays.

    That of an operator of judging runs on the CPU, also for tensors on a GPU.
    """
    from calibench.kernels import reference  # here, because it imports torch

    function = getattr(reference, op)
    return through_cpu(function, *inputs) if op in JUDGING_OPS else through_torch(function, *inputs)


def fault(caller: str, flag: Any, classes: int) -> Fault | None:
    """The fault to attach to a result; None on the CPU, where the operator raises its errors itself."""
    return None if is_numpy(flag) or flag.device.type == "cpu" else Fault(caller, classes, flag)
