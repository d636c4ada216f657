"""`swag`: SWA-Gaussian (Maddox et al., NeurIPS 2019)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from calibench import MethodSpec, Param, Sampler
from calibench.lazy import nn, torch
from calibench.stages import SampleTask, View
from calibench.stages.sampler import as_it_is
from calibench_methods.samplers.more_sgd import estimate_batch_norm, sgd_epochs
from calibench_methods.samplers.parameters import COMBINE

if TYPE_CHECKING:
    from calibench import Network

SPEC = MethodSpec(
    name="swag",
    kind="sampler",
    target=f"{__name__}:SWAG",
    summary="SWA-Gaussian: fits a Gaussian to the weights that constant-rate SGD visits after training, and averages samples.",
    params=(
        Param("samples", "int", 30, "number of networks drawn (the paper: 30)", minimum=1),
        Param("epochs", "int", 20, "passes over the training rows, with a snapshot after each", "epochs", minimum=2),
        Param("lr", "float", 0.01, "constant SGD step size (the paper: 0.01 to 0.05 on CIFAR)", minimum=1e-12),
        Param("rank", "int", 20, "number of last deviations kept for the low-rank part (the paper: 20)", minimum=2),
        Param("scale", "float", 1.0, "factor of the covariance; 0 predicts with the mean alone (SWA)", minimum=0),
        COMBINE,
    ),
    equation=(
        "w_s = mean + sqrt(scale/2) (sqrt(diag var) z1 + D z2 / sqrt(rank - 1)), z1, z2 ~ N(0, I), "
        "D the last `rank` snapshots minus the running mean; p = mean over s of softmax(f(x; w_s))"
    ),
    use_when="training may go on for 20 epochs and an ensemble is too expensive",
    avoid_when=(
        "stage 1 ends far too sure: draws stay near it (noisy digits: ECE15 13 to 14 %); or prediction must be fast and "
        "the network has batch norm"
    ),
    cost="20 more epochs (1.2 to 2.6 x ce); 20 stored copies of the weights; 30 forward passes at prediction",
    paper="W. Maddox et al., A Simple Baseline for Bayesian Uncertainty in Deep Learning, NeurIPS 2019 (arXiv 1902.02476)",
    deviations=(
        "SGD starts from the checkpoint that stage 1 kept; momentum 0.9 starts from zero, and there is no weight decay",
        "batch-norm statistics are estimated again for every drawn network, from all training rows",
    ),
)


class SWAG(Sampler):
    """A Gaussian over the weights: mean and diagonal from all snapshots, the low-rank part from the last `rank` deviations."""

    def __init__(self, samples: int, epochs: int, lr: float, rank: int, scale: float, combine: str) -> None:
        self.samples, self.epochs, self.lr, self.rank, self.scale = samples, epochs, lr, rank, scale
        self.combine = combine

    def collect(self, network: Network, task: SampleTask) -> Mapping[str, torch.Tensor]:
        """`mean [P]`, `variance [P]` (never below 0) and `deviations [R, P]`, R = min(rank, epochs)."""
        mean = torch.zeros_like(nn.utils.parameters_to_vector(network.parameters()).detach(), dtype=torch.float64)
        square = torch.zeros_like(mean)
        deviations: list[torch.Tensor] = []
        for n in sgd_epochs(network, task, self.epochs, lambda _: self.lr, "swag"):
            weights = nn.utils.parameters_to_vector(network.parameters()).detach().double()
            mean += (weights - mean) / n
            square += (weights.square() - square) / n
            deviations = [*deviations, weights - mean][-self.rank :]
        variance = (square - mean.square()).clamp_min(0)
        return {"mean": mean, "variance": variance, "deviations": torch.stack(deviations)}

    def variants(
        self, network: Network, collected: Mapping[str, torch.Tensor], train_x: torch.Tensor
    ) -> Iterator[View]:
        """`samples` drawn networks, or only the mean if `scale` is 0."""
        mean, sd, deviations = collected["mean"], collected["variance"].sqrt(), collected["deviations"]
        rank = len(deviations)
        dtype = next(network.parameters()).dtype
        for _ in range(self.samples if self.scale else 1):
            diagonal = torch.randn_like(mean) * sd
            low_rank = torch.randn(rank, dtype=mean.dtype, device=mean.device) @ deviations
            weights = mean + math.sqrt(self.scale / 2) * (diagonal + low_rank / math.sqrt(max(rank - 1, 1)))
            nn.utils.vector_to_parameters(weights.to(dtype), network.parameters())
            network.eval()
            estimate_batch_norm(network, train_x)
            yield as_it_is
