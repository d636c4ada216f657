"""`bce`: binary cross-entropy with one sigmoid per class, or per label."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Objective, Param
from calibench.lazy import functional, torch
from calibench.stages import Batch, TrainTask
from calibench_methods.objectives.class_weights import ClassWeights

SPEC = MethodSpec(
    name="bce",
    kind="objective",
    target=f"{__name__}:BinaryCrossEntropy",
    summary="Binary cross-entropy: one sigmoid per class, or per label if rows have several; for sigmoid-threshold.",
    params=(
        Param(
            "pos_weight",
            "str",
            None,
            "weight a of the positive term: one number for all outputs, one per output as 2;9, or balanced, negatives / "
            "positives of each output in training (torch's pos_weight)",
            late=True,
        ),
    ),
    equation=(
        "loss = -sum_k (a_k t_k log s_k + (1 - t_k) log(1 - s_k)), s_k = sigmoid(x_k), t_k = [k = y] or label k, a = 1 unless "
        "pos_weight is set"
    ),
    paper="C. Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.2 (independent sigmoids)",
    deviations=(
        "with one class per row, the judged probabilities are the sigmoids divided by their sum, p_k = s_k / sum_j s_j; with "
        "several labels per row, every label is judged as a binary question",
        "torch averages over outputs where this sums: K times torch's mean, with the same minimum",
        "pos_weight trains the odds of each output times a_k: on data with the real shares the sigmoids are miscalibrated",
    ),
    use_when="rows have several labels, or every class is a question of its own",
    avoid_when="rows have one class: ce trains the probabilities that are judged; pos_weight, if probabilities are needed",
    cost="as ce",
)


class BinaryCrossEntropy(Objective):
    """`-sum over k of (a_k t_k ln s_k + (1 - t_k) ln(1 - s_k))`, s_k = sigmoid(x_k), mean over the batch.

    t_k is `[k = y]` if a row has one class, and label k if it has several labels. a is `pos_weight`, 1 if that is not set.
    """

    one_vs_rest = True
    multi_label = True

    def __init__(self, pos_weight: str | None = None) -> None:
        self.positives = None if pos_weight is None else ClassWeights("bce", "pos_weight", pos_weight)
        self.weights: torch.Tensor | None = None

    def check(self, num_classes: int) -> None:
        """InputError unless there is one weight, or one per output."""
        if self.positives is not None and self.positives.numbers is not None and len(self.positives.numbers) != 1:
            self.positives.check(num_classes)

    def prepare(self, task: TrainTask) -> None:
        """Compute the weights."""
        if self.positives is not None:
            weights = self.positives.of_positives(task.labels, task.num_classes)
            self.weights = weights.expand(task.num_classes)
            self.several = task.labels.ndim > 1

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        y = functional.one_hot(batch.y, logits.shape[1]) if batch.y.ndim == 1 else batch.y
        weights = None if self.weights is None else self.weights.to(logits)
        losses = functional.binary_cross_entropy_with_logits(logits, y.to(logits), reduction="none", pos_weight=weights)
        return losses.sum(dim=1).mean()

    def validation_nll(self, logits: torch.Tensor, labels: torch.Tensor) -> float:
        """The NLL of the judged probabilities; with weights the loss, mean over outputs, in nats."""
        if self.weights is None:
            return super().validation_nll(logits, labels)
        if self.several:  # a row of logits for each label of each sample, over (no, yes)
            log_p = logits.double().log_softmax(dim=1).gather(1, labels[:, None])[:, 0]
            weights = self.weights.repeat(len(labels) // len(self.weights))
            return float(-(weights.where(labels == 1, 1.0) * log_p).mean())
        log_s = logits.double()  # of the sigmoids
        t = functional.one_hot(labels, log_s.shape[1])
        log_rest = torch.log1p(-log_s.exp().clamp_max(1 - 1e-16))
        return float(-(self.weights * t * log_s + (1 - t) * log_rest).mean())

    def figures(self) -> dict[str, Any]:
        """`pos_weights`, if they are balanced; else nothing."""
        return {} if self.positives is None else self.positives.figures("pos_weights", self.weights)
