"""`snapshot`: snapshot ensembles (Huang et al., ICLR 2017)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from calibench import MethodSpec, Param, Sampler
from calibench.lazy import torch
from calibench.stages import SampleTask, View
from calibench.stages.sampler import as_it_is
from calibench_methods.samplers.more_sgd import sgd_epochs
from calibench_methods.samplers.parameters import COMBINE

if TYPE_CHECKING:
    from calibench import Network

SPEC = MethodSpec(
    name="snapshot",
    kind="sampler",
    target=f"{__name__}:Snapshot",
    summary="Snapshot ensemble: trains further with cosine cycles of the step size, and keeps a network at the end of each.",
    params=(
        Param("cycles", "int", 5, "number of cycles, so of networks kept (the paper: 5 or 6)", minimum=1),
        Param("epochs", "int", 10, "passes over the training rows per cycle", "epochs", minimum=1),
        Param("lr", "float", 0.05, "SGD step size at the start of a cycle (the paper: 0.1 or 0.2)", minimum=1e-12),
        COMBINE,
    ),
    equation="lr(t) = lr/2 (cos(pi t / T) + 1) within a cycle of T steps; p = mean over cycles of softmax(f(x; w_c))",
    use_when="stage 1 is long and several networks are wanted for a part of its price",
    avoid_when=(
        "stage 1 is short: 50 more epochs then cost more than an ensemble (CIFAR-10 features, 10 epochs: 4.7 x ce, "
        "ensemble 3.9)"
    ),
    cost="5 cycles of 10 more epochs; 5 stored networks and forward passes",
    paper="G. Huang et al., Snapshot Ensembles: Train 1, Get M for Free, ICLR 2017 (arXiv 1704.00109)",
    deviations=(
        "the cycles follow stage 1 instead of replacing it, so that they work with any objective; stage 1's network is not a "
        "member",
        "SGD has momentum 0.9 and no weight decay",
    ),
)


class Snapshot(Sampler):
    """`cycles` cosine cycles of `epochs` epochs each; the network at the end of each cycle is a member."""

    def __init__(self, cycles: int, epochs: int, lr: float, combine: str) -> None:
        self.cycles, self.epochs, self.lr = cycles, epochs, lr
        self.combine = combine

    def step_size(self, t: float) -> float:
        """`lr / 2 (cos(pi t / epochs) + 1)`, where t is taken modulo the length of a cycle, in epochs."""
        return self.lr / 2 * (math.cos(math.pi * (t % self.epochs) / self.epochs) + 1)

    def collect(self, network: Network, task: SampleTask) -> Mapping[str, torch.Tensor]:
        """The state of each snapshot; its tensors are named `cycle.name`."""
        snapshots: dict[str, torch.Tensor] = {}
        for epoch in sgd_epochs(network, task, self.cycles * self.epochs, self.step_size, "snapshot"):
            if epoch % self.epochs == 0:
                cycle = epoch // self.epochs - 1
                snapshots |= {f"{cycle}.{name}": value.detach().clone() for name, value in network.state_dict().items()}
        return snapshots

    def variants(
        self, network: Network, collected: Mapping[str, torch.Tensor], train_x: torch.Tensor
    ) -> Iterator[View]:
        """The snapshots, first to last."""
        for cycle in range(self.cycles):
            prefix = f"{cycle}."
            network.load_state_dict(
                {name.removeprefix(prefix): value for name, value in collected.items() if name.startswith(prefix)}
            )
            network.eval()
            yield as_it_is
