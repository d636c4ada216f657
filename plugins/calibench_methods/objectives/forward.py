"""`forward`: cross-entropy of a prediction corrected for label noise (Patrini et al., CVPR 2017)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Objective
from calibench.lazy import torch
from calibench.stages import Batch, TrainTask
from calibench_methods.objectives.parameters import NOISY_VAL, TRANSITION, TRANSITION_DEVIATIONS, TRANSITION_PAPER
from calibench_methods.objectives.transition import Transition, noisy_label_nll

SPEC = MethodSpec(
    name="forward",
    kind="objective",
    target=f"{__name__}:Forward",
    summary="Forward correction: cross-entropy of the noisy label's probability under p and the transition matrix.",
    params=TRANSITION,
    equation="loss = -log sum_i T_iy p_i, T_ij = P(noisy label j | class i)",
    use_when="some classes are mistaken for others: estimate=counts finds how often (CIFAR-10N worse: ECE15 1.0 %, ce 27 %)",
    avoid_when="labels are clean, or a label's error depends on its row and not on its class alone",
    cost="as ce with rate or matrix; an estimate trains 4 more networks (1.2 to 2.6 x ce in all)",
    paper=TRANSITION_PAPER,
    deviations=(*TRANSITION_DEVIATIONS, NOISY_VAL),
)


class Forward(Objective):
    """`-log sum_i T_iy p_i`, mean over the batch: the probability of the noisy label under p and the matrix T."""

    def __init__(self, rate: float | None, matrix: str | None, estimate: str | None, folds: int | None) -> None:
        self.transition = Transition("forward", rate, matrix, estimate, folds)
        self.folds = self.transition.folds
        self.files = self.transition.files

    def check(self, num_classes: int) -> None:
        """InputError for a matrix that does not fit K classes or is singular."""
        self.transition.check(num_classes)

    def prepare(self, task: TrainTask) -> None:
        """Determine T."""
        self.log_matrix = self.transition.matrix_for(task).log()

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        return noisy_label_nll(logits, batch.y, self.log_matrix)

    def noisy_validation_nll(self, logits: torch.Tensor, labels: torch.Tensor) -> float:
        """The loss itself, in nats."""
        return float(noisy_label_nll(logits.double(), labels, self.log_matrix))

    def figures(self) -> dict[str, Any]:
        """`transition_diagonal`, the share of each class that keeps its label, if T was estimated; else nothing."""
        return self.transition.figures
