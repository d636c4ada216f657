"""`co-teaching`: two networks that pick each other's samples (Han et al., NeurIPS 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from calibench import MethodSpec, Objective, Param, training
from calibench.lazy import functional, nn, torch
from calibench.stages import Batch, TrainTask
from calibench_methods.objectives.label_noise import NoiseRate
from calibench_methods.objectives.parameters import ESTIMATED_RATE, FOLDS, RATE

SPEC = MethodSpec(
    name="co-teaching",
    kind="objective",
    target=f"{__name__}:CoTeaching",
    summary="Co-teaching: two networks, each trained on the samples whose loss is small in the other.",
    params=(
        RATE,
        Param(
            "ramp",
            "int",
            10,
            "epochs in which the share left out grows to rate (the paper's T_k: 10)",
            "epochs",
            minimum=1,
        ),
        FOLDS,
    ),
    equation="each network: mean CE over the R n samples of smallest loss in the other, R = 1 - rate min(epoch / ramp, 1)",
    paper=(
        "B. Han et al., Co-teaching: Robust Training of Deep Neural Networks with Extremely Noisy Labels, NeurIPS 2018 "
        "(arXiv 1804.06872)"
    ),
    deviations=("the first network alone is judged", ESTIMATED_RATE),
)


class CoTeaching(Objective):
    """Each network minimises the cross-entropy of those samples of the batch whose loss is smallest in the other.

    The share kept in epoch t is `1 - rate min(t / ramp, 1)`, at least one sample. The first network is the one judged.
    """

    learned = ("other",)

    def __init__(self, rate: str, ramp: int, folds: int | None) -> None:
        self.rate = NoiseRate("co-teaching", rate, folds)
        self.folds = self.rate.folds
        self.ramp = ramp
        self.kept = 1.0

    def check(self, num_classes: int) -> None:
        """InputError for a rate of (K-1)/K or more."""
        self.rate.check(num_classes)

    def prepare(self, task: TrainTask) -> None:
        """Make the second network, from a seed of its own: from this generator it would start as the first one did."""
        self.forget = self.rate.settle(task)
        with training.seeded(int(torch.randint(2**62, ()))):
            self.other = task.new_network()

    def companions(self) -> Sequence[nn.Module]:
        """The second network."""
        return (self.other,)

    def begin_epoch(self, epoch: int) -> None:
        """Set the share of samples kept."""
        self.kept = 1 - self.forget * min(epoch / self.ramp, 1)

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The cross-entropy of all samples, a scalar in nats."""
        return functional.cross_entropy(logits, batch.y)

    def step(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """The sum of the two networks' losses, a scalar in nats."""
        mine, others = (
            functional.cross_entropy(module(batch.x), batch.y, reduction="none") for module in (network, self.other)
        )
        return mine[self.smallest(others)].mean() + others[self.smallest(mine)].mean()

    def smallest(self, losses: torch.Tensor) -> torch.Tensor:
        """The places of the kept share of `losses [n]`; the earlier among equals."""
        return losses.detach().argsort(stable=True)[: max(1, round(self.kept * len(losses)))]

    def figures(self) -> dict[str, Any]:
        """`rate`, where it was estimated."""
        return self.rate.found
