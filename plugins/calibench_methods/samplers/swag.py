"""`swag`: SWA-Gaussian (Maddox et al., NeurIPS 2019)."""

import math
from collections.abc import Iterator, Mapping

import torch
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from calibench import Network, Sampler
from calibench.stages import SampleTask, View
from calibench.stages.sampler import as_it_is
from calibench_methods.samplers.more_sgd import estimate_batch_norm, sgd_epochs


class SWAG(Sampler):
    """Gaussian over the weights: mean and diagonal of all snapshots, low-rank part of the last `rank` deviations."""

    def __init__(self, samples: int, epochs: int, lr: float, rank: int, scale: float, combine: str) -> None:
        self.samples, self.epochs, self.lr, self.rank, self.scale = samples, epochs, lr, rank, scale
        self.combine = combine

    def collect(self, network: Network, task: SampleTask) -> Mapping[str, torch.Tensor]:
        """`mean [P]`, `variance [P]` (never below 0) and `deviations [R, P]`, R = min(rank, epochs)."""
        mean = torch.zeros_like(parameters_to_vector(network.parameters()).detach(), dtype=torch.float64)
        square = torch.zeros_like(mean)
        deviations: list[torch.Tensor] = []
        for n in sgd_epochs(network, task, self.epochs, lambda _: self.lr, "swag"):
            weights = parameters_to_vector(network.parameters()).detach().double()
            mean += (weights - mean) / n
            square += (weights.square() - square) / n
            deviations = [*deviations, weights - mean][-self.rank :]
        variance = (square - mean.square()).clamp_min(0)
        return {"mean": mean, "variance": variance, "deviations": torch.stack(deviations)}

    def variants(
        self, network: Network, collected: Mapping[str, torch.Tensor], train_x: torch.Tensor
    ) -> Iterator[View]:
        """`samples` drawn networks, or the mean alone where `scale` is 0."""
        mean, spread, low_rank = collected["mean"], collected["variance"].sqrt(), collected["deviations"]
        dtype = next(network.parameters()).dtype
        for _ in range(self.samples if self.scale else 1):
            diagonal = torch.randn_like(mean) * spread
            rank = torch.randn(len(low_rank), dtype=mean.dtype, device=mean.device) @ low_rank
            drawn = mean + math.sqrt(self.scale / 2) * (diagonal + rank / math.sqrt(max(len(low_rank) - 1, 1)))
            vector_to_parameters(drawn.to(dtype), network.parameters())
            network.eval()
            estimate_batch_norm(network, train_x)
            yield as_it_is
