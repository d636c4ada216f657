"""`logit-adjustment`: cross-entropy of logits to which the log shares of the classes are added (Menon et al., ICLR 2021)."""

from __future__ import annotations

from typing import Any

from calibench import MethodSpec, Objective, Param
from calibench.lazy import functional, torch
from calibench.stages import Batch, TrainTask
from calibench_methods.objectives.class_weights import class_shares

UNIFORM_PRIOR = (
    "the network's own probabilities, without the log shares, are judged, as in the paper: those of equal class shares at "
    "tau=1. On data with the real shares they are miscalibrated; +prior-correction:source=uniform,prior=cal undoes it"
)

CHECKPOINT = "the checkpoint is picked by the loss on val, whose log shares are those of the training rows"

SPEC = MethodSpec(
    name="logit-adjustment",
    kind="objective",
    target=f"{__name__}:LogitAdjustment",
    summary="Logit adjustment: cross-entropy of logits plus tau times the log share of each class, for balanced error.",
    params=(
        Param(
            "tau",
            "float",
            1.0,
            "factor of the log shares (the paper: 1 for the consistent loss, and values tuned on held-out rows)",
            minimum=0,
            maximum=100,
        ),
    ),
    equation="loss = -log softmax(logits + tau log pi)[y], pi_k = n_k / N of the training rows",
    paper="A. Menon et al., Long-tail Learning via Logit Adjustment, ICLR 2021 (arXiv 2007.07314)",
    deviations=(
        UNIFORM_PRIOR,
        CHECKPOINT,
        "the paper's other variant, which subtracts tau log pi from the logits of a network trained with ce, is "
        "ce+prior-correction:source=cal,prior=uniform at tau=1, without a training of its own",
    ),
    use_when="every class counts the same whatever its share (balanced error), and a class is too rare for ce",
    avoid_when="probabilities for the real shares are needed: train with ce, or add the prior correction",
    cost="as ce",
)


class LogitAdjustment(Objective):
    """`-log softmax(z + tau log pi)[y]`, mean over the batch; pi are the shares of the classes in training."""

    name = "logit-adjustment"

    def __init__(self, tau: float) -> None:
        self.tau = tau

    def prepare(self, task: TrainTask) -> None:
        """Count the classes; RunError if one has no training row."""
        self.shares = class_shares(task.labels, task.num_classes, self.name)

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        return functional.cross_entropy(self._adjusted(logits), batch.y)

    def validation_nll(self, logits: torch.Tensor, labels: torch.Tensor) -> float:
        """The loss: the NLL of the adjusted logits, in nats."""
        return super().validation_nll(self._adjusted(logits), labels)

    def _adjusted(self, logits: torch.Tensor) -> torch.Tensor:
        return logits + self.tau * self.shares.log().to(logits)

    def figures(self) -> dict[str, Any]:
        """`class_shares`, of the training rows."""
        return {"class_shares": self.shares.tolist()}
