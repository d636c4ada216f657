"""`backward`: a loss corrected for label noise (Patrini et al., CVPR 2017)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Objective
from calibench.lazy import torch
from calibench.stages import Batch, TrainTask
from calibench_methods.objectives.parameters import NOISY_VAL, TRANSITION, TRANSITION_DEVIATIONS, TRANSITION_PAPER
from calibench_methods.objectives.transition import Transition, noisy_label_nll

SPEC = MethodSpec(
    name="backward",
    kind="objective",
    target=f"{__name__}:Backward",
    summary="Backward correction: the losses times the inverse transition matrix, unbiased under label noise.",
    params=TRANSITION,
    equation="loss = -sum_k (T^-1)_yk log p_k, T_ij = P(noisy label j | class i)",
    use_when="the noise matrix is known, training stops before the network memorises, and the loss must be unbiased",
    avoid_when=(
        "the network can memorise or the matrix is far off: the loss is unbounded (CIFAR-10N worse, rate=0.4: accuracy "
        "69 %, forward 82 %)"
    ),
    cost="as ce with rate or matrix; an estimate trains 4 more networks (1.3 to 2.5 x ce in all)",
    paper=TRANSITION_PAPER,
    deviations=(
        *TRANSITION_DEVIATIONS,
        "as in the paper, the loss has no lower bound: a network that can memorise labels drives it down and loses accuracy",
        NOISY_VAL,
    ),
)


class Backward(Objective):
    """`-sum_k (T^-1)_yk log p_k`, mean over the batch. Its expectation over the noise is the cross-entropy of the true class.

    T^-1 has negative entries, so the loss has no lower bound, and a network that memorises labels drives it down.
    """

    def __init__(self, rate: float | None, matrix: str | None, estimate: str | None, folds: int | None) -> None:
        self.transition = Transition("backward", rate, matrix, estimate, folds)
        self.folds = self.transition.folds
        self.files = self.transition.files

    def check(self, num_classes: int) -> None:
        """InputError for a matrix that does not fit K classes or is singular."""
        self.transition.check(num_classes)

    def prepare(self, task: TrainTask) -> None:
        """Determine T and invert it."""
        matrix = self.transition.matrix_for(task)
        self.inverse: torch.Tensor = torch.linalg.inv(matrix)
        self.log_matrix = matrix.log()

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        return -(self.inverse.to(logits)[batch.y] * logits.log_softmax(dim=1)).sum(dim=1).mean()

    def noisy_validation_nll(self, logits: torch.Tensor, labels: torch.Tensor) -> float:
        """The NLL of `forward`, in nats: it has the same minimum as the loss and, unlike it, a lower bound."""
        return float(noisy_label_nll(logits.double(), labels, self.log_matrix))

    def figures(self) -> dict[str, Any]:
        """`transition_diagonal`, the share of each class that keeps its label, if T was estimated; else nothing."""
        return self.transition.figures
