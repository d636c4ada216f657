"""`forward`: the prediction corrected for label noise (Patrini et al., CVPR 2017)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Objective
from calibench.lazy import torch
from calibench.stages import Batch, TrainTask
from calibench_methods.objectives.parameters import TRANSITION, TRANSITION_NOTES, TRANSITION_PAPER
from calibench_methods.objectives.transition import Transition

SPEC = MethodSpec(
    name="forward",
    kind="objective",
    target=f"{__name__}:Forward",
    summary="Forward correction: cross-entropy of the noisy label that prediction and transition matrix imply.",
    params=TRANSITION,
    equation="loss = -log sum_i T_iy p_i, T_ij = P(noisy label j | class i)",
    paper=TRANSITION_PAPER,
    deviations=TRANSITION_NOTES,
)


class Forward(Objective):
    """`-log sum_i T_iy p_i`, mean over the batch: cross-entropy of the noisy label that p and the matrix T predict."""

    def __init__(self, rate: float | None, matrix: str | None, estimate: str | None, folds: int | None) -> None:
        self.transition = Transition("forward", rate, matrix, estimate, folds)
        self.folds = self.transition.folds
        self.files = self.transition.files

    def check(self, num_classes: int) -> None:
        """InputError for a matrix that does not fit K classes or is singular."""
        self.transition.check(num_classes)

    def prepare(self, task: TrainTask) -> None:
        """Fix T."""
        self.log_matrix = self.transition.settle(task).log()

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats; the sum is taken between logarithms."""
        log_reached = logits.log_softmax(dim=1) + self.log_matrix.to(logits)[:, batch.y].T
        return -log_reached.logsumexp(dim=1).mean()

    def figures(self) -> dict[str, Any]:
        """`transition_diagonal`, where T was estimated: the share of each class that keeps its label."""
        return self.transition.found
