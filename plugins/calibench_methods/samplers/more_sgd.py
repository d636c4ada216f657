"""SGD for SWAG and snapshot ensembles, which train the network further from the end of stage 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from calibench import RunError
from calibench.lazy import nn, torch
from calibench.stages import SampleTask

MOMENTUM = 0.9


def sgd_epochs(
    network: nn.Module, task: SampleTask, epochs: int, lr_at: Callable[[float], float], name: str
) -> Iterator[int]:
    """Train the network in place, and yield the epoch's number (from 1) after each epoch.

    `lr_at(t)` is the step size after `t` epochs, a fraction within an epoch. Momentum is 0.9; batches are shuffled by torch's
    global generator. RunError at a loss that is not finite.
    """
    rows = len(task.train_x)
    optimizer = torch.optim.SGD(network.parameters(), lr=lr_at(0.0), momentum=MOMENTUM)
    for epoch in range(epochs):
        network.train()
        batches = torch.randperm(rows).to(task.train_x.device).split(task.batch_size)
        if len(batches) > 1 and len(batches[-1]) == 1:  # batch norm cannot train on one row
            batches = batches[:-1]
        for number, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = lr_at(epoch + number / len(batches))
            loss = task.loss(batch)
            if not math.isfinite(loss.item()):
                message = f"{name}: the loss is {loss.item()} in epoch {epoch + 1}, step {number + 1} of {len(batches)}"
                raise RunError(message, f"lower its step size, as in --set {name}.lr={lr_at(0.0) / 10:g}")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        task.report(name, epoch + 1, epochs, "")
        yield epoch + 1
    network.eval()


def estimate_batch_norm(network: nn.Module, x: torch.Tensor, batch_size: int = 1024) -> None:
    """Set the network's batch-norm statistics to plain averages over all of `x`, for its current weights."""
    layers = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a cumulative average
        layer.train()
    with torch.no_grad():
        for rows in x.split(batch_size):
            network(rows)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
        layer.eval()
