"""`snapshot`: snapshot ensembles (Huang et al., ICLR 2017)."""

import math
from collections.abc import Iterator, Mapping

import torch

from calibench import Network, Sampler
from calibench.stages import SampleTask, View
from calibench.stages.sampler import as_it_is
from calibench_methods.samplers.more_sgd import sgd_epochs


class Snapshot(Sampler):
    """`cycles` cosine cycles of `epochs` epochs each; the network at the end of each is a member."""

    def __init__(self, cycles: int, epochs: int, lr: float, combine: str) -> None:
        self.cycles, self.epochs, self.lr = cycles, epochs, lr
        self.combine = combine

    def step_size(self, t: float) -> float:
        """`lr / 2 (cos(pi t / epochs) + 1)` with t the epochs since the cycle began."""
        return self.lr / 2 * (math.cos(math.pi * (t % self.epochs) / self.epochs) + 1)

    def collect(self, network: Network, task: SampleTask) -> Mapping[str, torch.Tensor]:
        """The state of each snapshot, its tensors named `cycle.name`."""
        kept: dict[str, torch.Tensor] = {}
        for epoch in sgd_epochs(network, task, self.cycles * self.epochs, self.step_size, "snapshot"):
            if epoch % self.epochs == 0:
                cycle = epoch // self.epochs - 1
                kept |= {f"{cycle}.{name}": value.detach().clone() for name, value in network.state_dict().items()}
        return kept

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
