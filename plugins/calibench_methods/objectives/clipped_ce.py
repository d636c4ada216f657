"""`clipped-ce`: cross-entropy in which no sample's loss exceeds a cap."""

from __future__ import annotations

import math

from calibench import InputError, MethodSpec, Objective, Param
from calibench.lazy import functional, torch
from calibench.stages import Batch

SPEC = MethodSpec(
    name="clipped-ce",
    kind="objective",
    target=f"{__name__}:ClippedCrossEntropy",
    summary="Cross-entropy bounded by a cap: a sample whose loss exceeds it is ignored.",
    params=(
        Param(
            "cap",
            "float",
            None,
            "largest loss of a sample, above log K; not set: 2 log K, the loss where p_y = 1/K^2 (our choice)",
            "nats",
            minimum=0,
        ),
    ),
    equation="loss = min(-log p_y, cap); no gradient beyond the cap",
    paper="own definition",
    use_when="the simplest bounded loss is wanted, as a baseline for the robust ones",
    avoid_when="robustness is the aim: at 30 % wrong labels on MNIST accuracy is that of ce, 89 %, where gce has 97 %",
    cost="as ce",
)


class ClippedCrossEntropy(Objective):
    """`min(-log softmax(logits)[y], cap)`, mean over the batch; a sample whose loss exceeds the cap has no gradient."""

    def __init__(self, cap: float | None) -> None:
        self.cap = cap

    def check(self, num_classes: int) -> None:
        """InputError for a cap that is not above the loss of an untrained network."""
        untrained_loss = math.log(num_classes)
        if self.cap is not None and self.cap <= untrained_loss:
            message = (
                f"clipped-ce: cap={self.cap:g} is not above log K = {untrained_loss:.4g} of {num_classes} classes. The loss "
                "of an untrained network is about log K, so most samples would have no gradient and it would never start to "
                "learn"
            )
            raise InputError(message, f"raise cap, as in clipped-ce:cap={2 * untrained_loss:.2g}, or leave it out")

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar, in nats."""
        cap = 2 * math.log(logits.shape[1]) if self.cap is None else self.cap
        return functional.cross_entropy(logits, batch.y, reduction="none").clamp_max(cap).mean()
