"""The settings of stage 1's computations: precision, memory layout, torch.compile. Judged outputs are always float32.

Each of the three changes rounding, as another number of threads does: the same seed then ends at other weights.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from calibench.errors import InputError, RunError
from calibench.models.network import Network
from calibench.processes import ALONE, Processes
from calibench.training.schedule import Schedule
from calibench.training.synced_norm import synced_norms

AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def check_compute(schedule: Schedule, network: Network, device: torch.device, model: str) -> None:
    """InputError for a precision in which torch cannot train on this device, and for channels last without a convolution."""
    if schedule.channels_last and not any(isinstance(m, nn.Conv2d | nn.Conv3d) for m in network.modules()):
        message = f"channels_last=true does nothing to model {model!r}: it has no convolution"
        raise InputError(message, "leave it out, or use a convolutional model, such as cnn")
    if schedule.precision in AUTOCAST:
        _check_precision(schedule.precision, device)


def _check_precision(precision: str, device: torch.device) -> None:
    """Try one step of a tiny layer: no list of devices and torch versions is needed."""
    layer = nn.Linear(2, 2).to(device)
    try:
        with torch.random.fork_rng(), torch.autocast(device.type, AUTOCAST[precision]):
            out = layer(torch.ones(2, 2, device=device))
            out.float().sum().backward()
    except (RuntimeError, ValueError, TypeError) as error:
        message = f"precision={precision}: torch {torch.__version__} cannot train with it on {device.type}: {error}"
        raise InputError(message, "use precision=bfloat16 or float32") from None
    if out.dtype != AUTOCAST[precision]:  # autocast only warns of a type that it does not support
        message = f"precision={precision} does nothing: torch {torch.__version__} stays at {out.dtype} on {device.type}"
        raise InputError(message, "leave it out")


@contextlib.contextmanager
def compute_settings(network: Network, schedule: Schedule, processes: Processes = ALONE) -> Iterator[None]:
    """Inside the block the network computes as the schedule says; after it as before, with its new weights."""
    network.autocast = AUTOCAST.get(schedule.precision)
    if schedule.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in torch's stubs
    if schedule.compile:
        network.compiled = torch.compile(lambda x: network.body(x))  # noqa: PLW0108 - a module would be registered
    try:
        with synced_norms(network, processes):
            yield
    except Exception as error:
        if schedule.compile and type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            message = f"torch.compile failed: {type(error).__name__}: {str(error).strip().splitlines()[0]}"
            raise RunError(message, "it needs a C++ compiler, on CUDA Triton; or leave compile out") from error
        raise
    finally:
        network.autocast = None
        if schedule.channels_last:
            network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        if schedule.compile:
            network.compiled = None
            torch.compiler.reset()
