"""`bce`: binary cross-entropy with one sigmoid per class, or per label."""

from __future__ import annotations

from calibench import MethodSpec, Objective
from calibench.lazy import functional, torch
from calibench.stages import Batch

SPEC = MethodSpec(
    name="bce",
    kind="objective",
    target=f"{__name__}:BinaryCrossEntropy",
    summary="Binary cross-entropy: one sigmoid per class, or per label if rows have several; for sigmoid-threshold.",
    equation="loss = -sum_k (t_k log s_k + (1 - t_k) log(1 - s_k)), s_k = sigmoid(x_k), t_k = [k = y] or label k",
    use_when="rows have several labels, or each class needs its own threshold: it goes with sigmoid-threshold",
    avoid_when="labels are wrong and exactly one class is true (MNIST, 30 % wrong: ECE15 28 %, ce 20 %)",
    cost="as ce",
    paper="C. Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.2 (independent sigmoids)",
    deviations=(
        "with one class per row, the judged probabilities are the sigmoids divided by their sum, p_k = s_k / sum_j s_j; with "
        "several labels per row, every label is judged as a binary question",
    ),
)


class BinaryCrossEntropy(Objective):
    """`-sum over k of (t_k ln s_k + (1 - t_k) ln(1 - s_k))`, s_k = sigmoid(x_k), mean over the batch.

    t_k is `[k = y]` if a row has one class, and label k if it has several labels.
    """

    one_vs_rest = True
    multi_label = True

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        y = functional.one_hot(batch.y, logits.shape[1]) if batch.y.ndim == 1 else batch.y
        targets = y.to(logits)
        return functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(dim=1).mean()
