"""`maxsup`: max suppression, label smoothing's penalty on the largest logit (Zhou et al., NeurIPS 2025)."""

from __future__ import annotations

from calibench import InputError, MethodSpec, Objective, Param
from calibench.lazy import functional, torch
from calibench.stages import Batch, TrainTask

ALPHA = "weight of the penalty"

SPEC = MethodSpec(
    name="maxsup",
    kind="objective",
    target=f"{__name__}:MaxSuppression",
    summary="Max suppression: penalises the largest logit, right or wrong, where label smoothing penalises the label's.",
    params=(
        Param("alpha", "float", 0.1, f"{ALPHA} (the authors' code: 0.1 in the first epoch)", minimum=0),
        Param(
            "alpha_end",
            "float",
            None,
            f"{ALPHA} after the last epoch, reached linearly (the authors' code: 0.2); not set: alpha throughout",
            minimum=0,
        ),
    ),
    equation="loss = -log p_y + alpha (max_k l_k - mean_k l_k)",
    paper=(
        "Y. Zhou et al., MaxSup: Overcoming Representation Collapse in Label Smoothing, NeurIPS 2025 (arXiv 2502.15798)"
    ),
    deviations=(
        "alpha is constant unless alpha_end is set; the authors' ImageNet code raises it from 0.1 to 0.2 over the epochs. "
        "A training that ends at its plateau would leave such a rise unfinished",
    ),
    use_when="label smoothing helps, but features are used again, as for out-of-distribution scores or transfer",
    avoid_when="rows are easy and clean: like label smoothing it leaves confidences far too low (digits: 12 points)",
    cost="that of ce",
)


class MaxSuppression(Objective):
    """`CE + alpha (max_k l_k - mean_k l_k)` for logits l, mean over the batch."""

    def __init__(self, alpha: float, alpha_end: float | None) -> None:
        if alpha_end == alpha:
            message = f"maxsup: alpha_end={alpha_end:g} does nothing, because alpha is {alpha:g} throughout"
            raise InputError(message, "leave alpha_end out")
        self.first, self.last = alpha, alpha if alpha_end is None else alpha_end
        self.alpha = alpha

    def prepare(self, task: TrainTask) -> None:
        """Take note of the number of epochs over which alpha changes."""
        self.epochs = task.epochs

    def begin_epoch(self, epoch: int) -> None:
        """Set alpha, as in the authors' code: `alpha + (alpha_end - alpha) (epoch - 1) / epochs`."""
        self.alpha = self.first + (self.last - self.first) * (epoch - 1) / self.epochs

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A scalar; the cross-entropy in nats, the penalty in units of logits."""
        penalty = (logits.amax(dim=1) - logits.mean(dim=1)).mean()
        return functional.cross_entropy(logits, batch.y) + self.alpha * penalty
