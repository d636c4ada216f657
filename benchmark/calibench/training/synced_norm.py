"""Batch norm over the whole batch when several processes share it. torch's SyncBatchNorm does the same on GPUs only."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from calibench.processes import Processes


@contextlib.contextmanager
def synced_norms(network: nn.Module, processes: Processes) -> Iterator[None]:
    """Inside the block, batch norms in training mode take mean and variance over the rows of all processes."""
    layers = [m for m in network.modules() if isinstance(m, _BatchNorm)] if processes.size > 1 else []
    if layers:
        forward = torch.compiler.disable(_over_processes)  # here: it imports torch._dynamo, which takes 0.8 s
    for layer in layers:
        layer.forward = functools.partial(forward, layer)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


class _Sum(torch.autograd.Function):
    """The sum over processes. Its gradient is a sum too, since the loss of every process depends on it."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        x = x.clone()
        distributed.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        gradient = gradient.clone()
        distributed.all_reduce(gradient)
        return gradient


def _over_processes(layer: _BatchNorm, x: torch.Tensor) -> torch.Tensor:
    """`(x - mean) / sqrt(variance + eps) * weight + bias` by channel; running statistics change as with one process."""
    if not layer.training:
        return type(layer).forward(layer, x)
    z = x.float()
    axes, shape = [0, *range(2, x.ndim)], [1, -1] + [1] * (x.ndim - 2)
    count = z.new_full((1,), z.numel() / max(z.shape[1], 1))
    sums: torch.Tensor = _Sum.apply(torch.cat([z.sum(axes), count]))  # type: ignore[no-untyped-call]
    n, mean = sums[-1].detach(), sums[:-1] / sums[-1].detach()
    centred = z - mean.view(shape)
    squares: torch.Tensor = _Sum.apply(centred.square().sum(axes))  # type: ignore[no-untyped-call]
    variance = squares / n
    if layer.track_running_stats and layer.running_mean is not None and layer.running_var is not None:
        with torch.no_grad():
            assert layer.num_batches_tracked is not None
            layer.num_batches_tracked.add_(1)
            rate = 1 / float(layer.num_batches_tracked) if layer.momentum is None else layer.momentum
            layer.running_mean.lerp_(mean, rate)
            layer.running_var.lerp_(squares / (n - 1), rate)
    y = centred * (variance + layer.eps).rsqrt().view(shape)
    if layer.affine:
        y = y * layer.weight.view(shape) + layer.bias.view(shape)
    return y.to(x.dtype)
