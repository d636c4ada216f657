"""The transition matrix of `forward` and `backward`: uniform, from a file, or estimated from out-of-fold probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from calibench import InputError
from calibench.atomic import digest_of
from calibench.errors import RunError
from calibench.lazy import torch
from calibench.stages import TrainTask
from calibench_methods.objectives.label_noise import DEFAULT_FOLDS, anchors, check_rate
from calibench_methods.objectives.transition_file import read_matrix

LARGEST_CONDITION = 1e8
"""Above this condition number a matrix counts as singular: two classes then have the same noisy labels."""


class Transition:
    """`T [K, K]` with `T_ij = P(noisy label j | class i)`, from `rate`, from `matrix` (a CSV path) or estimated."""

    def __init__(
        self, method: str, rate: float | None, matrix: str | None, estimate: str | None, folds: int | None
    ) -> None:
        parameters = {"rate": rate, "matrix": matrix, "estimate": estimate}
        sources = [key for key, value in parameters.items() if value is not None]
        if len(sources) > 1:
            message = f"{method}: {' and '.join(sources)} each define the transition matrix"
            raise InputError(message, "keep one of them")
        is_estimated = sources in ([], ["estimate"])
        if folds is not None and not is_estimated:
            message = f"{method}: folds={folds} would do nothing, because {sources[0]} defines the transition matrix"
            raise InputError(message, "drop one of them")
        self.method = method
        self.rate = rate
        self.matrix = None if matrix is None else read_matrix(matrix)
        self.path = matrix
        self.files = "" if matrix is None else digest_of(Path(matrix))
        self.estimate = estimate or "anchor"
        self.folds = folds or DEFAULT_FOLDS if is_estimated else 0
        self.figures: dict[str, Any] = {}

    def check(self, num_classes: int) -> None:
        """InputError for a rate of (K-1)/K or more, and for a file that is singular or does not have K rows."""
        if self.rate is not None:
            check_rate(self.method, self.rate, num_classes)
        if self.matrix is None:
            return
        if len(self.matrix) != num_classes:
            message = f"{self.method}: {self.path} has {len(self.matrix)} rows for {num_classes} classes"
            raise InputError(message, "write one row per true class and one column per noisy label")
        if is_singular(self.matrix):
            message = f"{self.method}: {self.path} is singular, so the noisy labels cannot tell all classes apart"
            raise InputError(message, "change the rows: two are equal, or one is a mixture of others")

    def matrix_for(self, task: TrainTask) -> torch.Tensor:
        """The matrix `[K, K]` in float64 on the labels' device.

        An estimate is made from the task; `figures` then holds its diagonal. RunError if the estimate is impossible.
        """
        if self.rate is not None:
            return uniform(self.rate, task.num_classes).to(task.labels.device)
        if self.matrix is not None:
            return self.matrix.to(task.labels.device)
        matrix = self._estimated(task)
        self.figures = {"transition_diagonal": matrix.diagonal().tolist()}
        return matrix

    def _estimated(self, task: TrainTask) -> torch.Tensor:
        assert task.out_of_fold is not None
        count = anchor_counts if self.estimate == "anchor" else confident_counts
        counts = count(task.out_of_fold, task.labels)
        empty = (counts.sum(dim=1) == 0).nonzero()
        if len(empty):
            message = (
                f"{self.method}: no training row is surely of class {int(empty[0])}, so its labels cannot be counted"
            )
            raise RunError(message, "state rate=... or matrix=..., or give more data")
        matrix = counts / counts.sum(dim=1, keepdim=True)
        if is_singular(matrix):
            raise RunError(f"{self.method}: the estimated matrix is singular", "state rate=... or matrix=...")
        return matrix


def noisy_label_nll(logits: torch.Tensor, labels: torch.Tensor, log_matrix: torch.Tensor) -> torch.Tensor:
    """`-log sum_i T_iy p_i`, mean, for logits `[n, K]`, noisy labels `[n]` and `log T [K, K]`.

    Summed in the log domain, so that no probability underflows.
    """
    log_terms = logits.log_softmax(dim=1) + log_matrix.to(logits)[:, labels].T
    return -log_terms.logsumexp(dim=1).mean()


def uniform(rate: float, num_classes: int) -> torch.Tensor:
    """`1 - rate` on the diagonal, `rate / (K - 1)` beside it; `[K, K]` float64."""
    off_diagonal = rate / (num_classes - 1)
    return torch.full((num_classes, num_classes), off_diagonal, dtype=torch.float64).fill_diagonal_(1 - rate)


def anchor_counts(probs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The number of anchors of class i with label j, plus 1/K so that no label is impossible; `[K, K]`.

    The row of a class without anchors is 0.
    """
    num_classes = probs.shape[1]
    counts = [labels[rows].bincount(minlength=num_classes).double() for rows in anchors(probs, labels)]
    return torch.stack([row + (1 / num_classes if row.any() else 0) for row in counts])


def confident_counts(probs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The calibrated confident joint of Northcutt et al. 2021, `[K, K]`: true class i by row, noisy label j by column.

    A row with label j counts for the class i of largest p_i among those with `p_i >= t_i`, where t_i is the mean of p_i over
    the rows with label i. The counts of each label are then scaled to the number of rows with that label.
    """
    num_classes = probs.shape[1]
    one_hot = torch.nn.functional.one_hot(labels, num_classes).double()
    label_counts = one_hot.sum(dim=0)
    # A label without rows has a threshold of 0 / 0, NaN, so no row counts for its class.
    thresholds = (one_hot * probs).sum(dim=0) / label_counts
    confident = probs.where(probs >= thresholds, -torch.inf)
    counted = confident.isfinite().any(dim=1)
    cell = confident[counted].argmax(dim=1) * num_classes + labels[counted]
    counts = cell.bincount(minlength=num_classes**2).double().reshape(num_classes, num_classes)
    return counts / counts.sum(dim=0).clamp_min(1) * label_counts


def is_singular(matrix: torch.Tensor) -> bool:
    """True if, to numerical precision, two classes have the same noisy labels."""
    return not float(torch.linalg.cond(matrix)) < LARGEST_CONDITION
