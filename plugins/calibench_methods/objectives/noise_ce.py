"""`noise-ce`: cross-entropy of the noisy label under uniform label noise."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Objective
from calibench.lazy import torch
from calibench.stages import Batch, TrainTask
from calibench_methods.objectives.label_noise import NoiseRate, noisy_label_nll
from calibench_methods.objectives.parameters import ESTIMATED_RATE, FOLDS, NOISY_VAL, RATE, TRANSITION_PAPER

SPEC = MethodSpec(
    name="noise-ce",
    kind="objective",
    target=f"{__name__}:NoiseCrossEntropy",
    summary="Cross-entropy of the noisy label under uniform noise: a bounded loss, in which p predicts the true class.",
    params=(RATE, FOLDS),
    equation="loss = -log((1 - e) p_y + e/K), e = rate K / (K - 1)",
    use_when="any class is mistaken for any other at one rate, known or estimated (MNIST, 30 %: ECE15 1.7 %, ce 20 %)",
    avoid_when=(
        "some classes are mistaken more often: a matrix fits better (CIFAR-10N worse: NLL 0.56, "
        "forward:estimate=counts 0.50)"
    ),
    cost="as ce with rate; rate=estimate trains 4 more networks (1.4 to 2.5 x ce in all)",
    paper=f"the uniform case of `forward`: {TRANSITION_PAPER}",
    deviations=(
        "papers use two definitions of the rate; here it is the share of wrong labels, as in the noise symmetric:rate=...",
        ESTIMATED_RATE,
        NOISY_VAL,
    ),
)


class NoiseCrossEntropy(Objective):
    """`-log((1 - e) p_y + e / K)` with `e = rate K / (K - 1)`, mean over the batch: bounded by `log(K / e)`."""

    def __init__(self, rate: str, folds: int | None) -> None:
        self.rate = NoiseRate("noise-ce", rate, folds)
        self.folds = self.rate.folds

    def check(self, num_classes: int) -> None:
        """InputError for a rate of (K-1)/K or more."""
        self.rate.check(num_classes)

    def prepare(self, task: TrainTask) -> None:
        """Determine the rate, which gives e, the weight of the uniform distribution."""
        self.wrong_share = self.rate.rate_for(task)

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        return noisy_label_nll(logits, batch.y, self.wrong_share)

    def noisy_validation_nll(self, logits: torch.Tensor, labels: torch.Tensor) -> float:
        """The loss itself, in nats."""
        return float(noisy_label_nll(logits.double(), labels, self.wrong_share))

    def figures(self) -> dict[str, Any]:
        """`rate` if it was estimated, else nothing."""
        return self.rate.figures
