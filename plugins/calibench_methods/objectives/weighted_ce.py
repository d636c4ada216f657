"""Cross-entropy with a weight for each class, and its parameters; for `ce` and `label-smoothing`."""

from __future__ import annotations

from typing import Any

from calibench import InputError, Param
from calibench.lazy import functional, torch
from calibench.stages import TrainTask
from calibench_methods.objectives.class_weights import ClassWeights

WEIGHT = Param(
    "weight",
    "str",
    None,
    "weight of each class, as 1;20, or balanced: N / (K n_k) for n_k of N training rows (scikit-learn's class_weight)",
    late=True,
)

DIVIDE_BY = Param(
    "divide_by",
    "str",
    None,
    "divisor of a batch's weighted sum: batch, the weights of its rows, as torch's; train, its rows times the mean weight of "
    "the training rows, so that batches are unbiased for the whole split; not set: batch",
    choices=("batch", "train"),
    late=True,
)

WEIGHTING = (WEIGHT, DIVIDE_BY)

WEIGHTS_MOVE_THE_PRIOR = (
    "weights w train the probabilities of other class shares, proportional to w_k n_k: on data with the real shares they are "
    "miscalibrated until prior-correction undoes it; a head refit after it trains without weights"
)

WEIGHTED_MEAN = (
    "divide_by=batch is torch's weighted mean. Batches without a rare class then count as much as batches with it, so its "
    "weight is lost where a batch has less than about one of its rows (pytorch issues 50528, 61309): balanced weights give a "
    "class of 0.1 % in batches of 64 about 6 % of the loss, not half. divide_by=train gives it half"
)

WEIGHTS_AVOID = (
    "weights, if the rare class's probabilities count: lower its threshold instead, or add "
    "+prior-correction:source=fit,prior=cal"
)


def weighted_nll(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor | None) -> float:
    """The mean of `-log softmax(logits)[y]`, weighted by `weights[y]` if there are any, in float64."""
    return float(functional.cross_entropy(logits.double(), labels, weights))


class WeightedCrossEntropy:
    """`sum_i w_(y_i) CE_i / divisor`, the cross-entropy that torch computes from `weight`; plain without weights.

    With label smoothing e the loss of a row is `-(1 - e) w_y log p_y - e/K sum_k w_k log p_k`, as torch's.
    """

    def __init__(self, method: str, weight: str | None, divide_by: str | None) -> None:
        if divide_by is not None and weight is None:
            raise InputError(f"{method}: divide_by={divide_by} would do nothing without weights", "add weight=balanced")
        self.classes = None if weight is None else ClassWeights(method, "weight", weight)
        self.by_batch = divide_by != "train"
        self.weights: torch.Tensor | None = None

    @property
    def splits(self) -> bool | None:
        """False if the rows of a batch share a divisor, so that processes cannot share the batch; else None, the default."""
        return False if self.classes is not None and self.by_batch else None

    def check(self, num_classes: int) -> None:
        """InputError unless there is one weight per class."""
        if self.classes is not None:
            self.classes.check(num_classes)

    def prepare(self, task: TrainTask) -> None:
        """Compute the weights."""
        if self.classes is not None:
            self.weights = self.classes.of_classes(task.labels, task.num_classes)
            self.mean_weight = float(self.weights[task.labels].mean())

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
        """A scalar, in nats."""
        if self.weights is None:
            return functional.cross_entropy(logits, labels, label_smoothing=smoothing)
        weights = self.weights.to(logits)
        if self.by_batch:
            return functional.cross_entropy(logits, labels, weights, label_smoothing=smoothing)
        total = functional.cross_entropy(logits, labels, weights, label_smoothing=smoothing, reduction="sum")
        return total / (len(labels) * self.mean_weight)

    def validation_nll(self, logits: torch.Tensor, labels: torch.Tensor) -> float:
        """The mean NLL, weighted if there are weights, in nats."""
        return weighted_nll(logits, labels, self.weights)

    def figures(self) -> dict[str, Any]:
        """`class_weights`, if they follow from the training labels; else nothing."""
        return {} if self.classes is None else self.classes.figures("class_weights", self.weights)
