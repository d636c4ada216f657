"""What SWAG and snapshot ensembles share: SGD that goes on where stage 1 ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from calibench import RunError
from calibench.lazy import nn, torch
from calibench.stages import SampleTask

MOMENTUM = 0.9


def sgd_epochs(
    network: nn.Module, task: SampleTask, epochs: int, lr_at: Callable[[float], float], what: str
) -> Iterator[int]:
    """Yields after each epoch, from 1 on; `lr_at(t)` is the step size when `t` epochs, a fraction, have passed.

    Batches are shuffled by torch's global generator; momentum 0.9. RunError at a loss that is not finite.
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
                message = f"{what}: the loss is {loss.item()} in epoch {epoch + 1}, step {number + 1} of {len(batches)}"
                raise RunError(message, f"lower its step size, as in --set {what}.lr={lr_at(0.0) / 10:g}")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        task.report(what, epoch + 1, epochs, "")
        yield epoch + 1
    network.eval()


def estimate_batch_norm(network: nn.Module, x: torch.Tensor, batch_size: int = 1024) -> None:
    """Batch-norm statistics of the network as it stands: the plain average over all of `x`; nothing without batch norm."""
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
