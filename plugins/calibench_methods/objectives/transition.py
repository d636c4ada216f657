"""The transition matrix of `forward` and `backward`: uniform, from a file, or estimated from out-of-fold probabilities."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from calibench import InputError
from calibench.atomic import digest_of
from calibench.errors import RunError
from calibench.lazy import torch
from calibench.stages import TrainTask
from calibench_methods.objectives.label_noise import FOLDS, anchors, check_rate

ROW_SUM_TOLERANCE = 1e-3
"""As for probabilities in files: it admits four printed digits. Rows are then divided by their sums."""

LARGEST_CONDITION = 1e8
"""ShiftAndOod it a matrix is as good as singular: two classes have the same noisy labels."""


class Transition:
    """`T [K, K]` with `T_ij = P(noisy label j | class i)`, from `rate`, `matrix` (a CSV path) or an estimate, one of the three."""

    def __init__(
        self, method: str, rate: float | None, matrix: str | None, estimate: str | None, folds: int | None
    ) -> None:
        given = [
            key for key, value in (("rate", rate), ("matrix", matrix), ("estimate", estimate)) if value is not None
        ]
        if len(given) > 1:
            raise InputError(f"{method}: {' and '.join(given)} each give the transition matrix", "keep one of them")
        if folds is not None and given and given[0] != "estimate":
            raise InputError(f"{method}: folds={folds} would do nothing, {given[0]} says it all", "drop one")
        self.method = method
        self.rate = rate
        self.matrix = None if matrix is None else read_matrix(matrix)
        self.source = matrix
        self.files = "" if matrix is None else digest_of(Path(matrix))
        self.estimate = estimate or "anchor"
        self.folds = folds or FOLDS if given in ([], ["estimate"]) else 0
        self.found: dict[str, Any] = {}

    def check(self, num_classes: int) -> None:
        """InputError for a rate of (K-1)/K or more, and for a file that has not K rows or is singular."""
        if self.rate is not None:
            check_rate(self.method, self.rate, num_classes)
        if self.matrix is None:
            return
        if len(self.matrix) != num_classes:
            message = f"{self.method}: {self.source} has {len(self.matrix)} rows for {num_classes} classes"
            raise InputError(message, "one row a true class, one column a noisy label")
        if is_singular(self.matrix):
            message = (
                f"{self.method}: {self.source} is singular, so that the noisy labels cannot tell all classes apart"
            )
            raise InputError(message, "two rows are the same, or one is a mixture of others")

    def settle(self, task: TrainTask) -> torch.Tensor:
        """The matrix `[K, K]` in float64 on the labels' device, estimated now if it is to be; RunError where it cannot be."""
        k, device = task.num_classes, task.labels.device
        if self.rate is not None:
            return uniform(self.rate, k).to(device)
        if self.matrix is not None:
            never = [int(j) for j in task.labels.unique() if self.matrix[:, j].sum() == 0]
            if never:
                message = f"{self.method}: a training label is {never[0]}, which no class has in {self.source}"
                raise RunError(message, f"column {never[0]} of the matrix is 0; mend the matrix")
            return self.matrix.to(device)
        assert task.out_of_fold is not None
        counts = (anchor_counts if self.estimate == "anchor" else confident_counts)(task.out_of_fold, task.labels)
        missing = (counts.sum(dim=1) == 0).nonzero()
        if len(missing):
            message = (
                f"{self.method}: no training row is surely of class {int(missing[0])}, so its labels cannot be counted"
            )
            raise RunError(message, "state rate=... or matrix=..., or give more data")
        matrix = counts / counts.sum(dim=1, keepdim=True)
        if is_singular(matrix):
            raise RunError(f"{self.method}: the estimated matrix is singular", "state rate=... or matrix=...")
        self.found = {"transition_diagonal": matrix.diagonal().tolist()}
        return matrix


def uniform(rate: float, num_classes: int) -> torch.Tensor:
    """`1 - rate` on the diagonal, `rate / (K - 1)` beside it; `[K, K]` float64."""
    off = rate / (num_classes - 1)
    return torch.full((num_classes, num_classes), off, dtype=torch.float64).fill_diagonal_(1 - rate)


def anchor_counts(probs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """How often the anchors of class i bear the label j, plus 1/K so that no label is impossible; `[K, K]`, 0 without anchors."""
    num_classes = probs.shape[1]
    rows = [labels[found].bincount(minlength=num_classes).double() for found in anchors(probs, labels)]
    return torch.stack([row + (1 / num_classes if row.any() else 0) for row in rows])


def confident_counts(probs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The calibrated confident joint of Northcutt et al. 2021, `[K, K]`: true class i by row, noisy label j by column.

    A row of label j is counted for the class i of largest p_i among those with `p_i >= t_i`, where t_i is the mean of p_i
    over the rows that bear the label i. The counts of each label are then scaled to the number of rows that bear it.
    """
    num_classes = probs.shape[1]
    given = torch.nn.functional.one_hot(labels, num_classes).double()
    rows = given.sum(dim=0)
    # No row bears an absent label: its mean is 0 / 0, NaN, and nothing is confidently of it.
    confident = probs.where(probs >= (given * probs).sum(dim=0) / rows, -torch.inf)
    counted = confident.isfinite().any(dim=1)
    place = confident[counted].argmax(dim=1) * num_classes + labels[counted]
    counts = place.bincount(minlength=num_classes**2).double().reshape(num_classes, num_classes)
    return counts / counts.sum(dim=0).clamp_min(1) * rows


def is_singular(matrix: torch.Tensor) -> bool:
    """Whether two classes have, for all that numbers can tell, the same noisy labels."""
    return not float(torch.linalg.cond(matrix)) < LARGEST_CONDITION


def read_matrix(path: str) -> torch.Tensor:
    """K lines of K shares joined by commas, each line summing to 1, as `[K, K]` float64; InputError naming the line."""
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            lines = [(number, line) for number, line in enumerate(csv.reader(file), 1) if line]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"cannot read {path}: {error}", "write K lines of K shares joined by commas") from None
    if len(lines) < 2:
        raise InputError(f"{path}: a transition matrix has a line a class, this has {len(lines)}", "no header line")
    rows = []
    for number, line in lines:
        try:
            row = [float(value) for value in line]
        except ValueError:
            raise InputError(f"{path}: line {number}: a value is not a number", "no header, no row names") from None
        if len(row) != len(lines):
            message = f"{path}: line {number} has {len(row)} values, and there are {len(lines)} lines"
            raise InputError(message, "one line a true class, one column a noisy label")
        if not all(0 <= value <= 1 for value in row) or abs(sum(row) - 1) > ROW_SUM_TOLERANCE:
            message = f"{path}: line {number} is no distribution (it sums to {sum(row):g})"
            raise InputError(message, "T_ij = P(noisy label j | class i): each line holds shares that sum to 1")
        rows.append(row)
    matrix = torch.tensor(rows, dtype=torch.float64)
    return matrix / matrix.sum(dim=1, keepdim=True)
