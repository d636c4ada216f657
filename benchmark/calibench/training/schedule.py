"""Schedule: how long and at which rate a network is trained, and how gradients become steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

from calibench.errors import InputError

MOMENTUM = 0.9
LR_DECAY = 0.1


@dataclass(frozen=True)
class Schedule:
    """Epochs, learning rate, batches, optimiser, and which checkpoint is kept: `best` (lowest validation NLL) or `last`.

    The learning rate rises linearly over the first `warmup` epochs, then follows `lr_schedule`: `constant`, `cosine` (to 0
    at the last step), or `steps` (times `lr_decay` after each of `milestones`, in epochs). Raises InputError for a setting
    that would do nothing.
    """

    epochs: int
    lr: float
    batch_size: int
    weight_decay: float = 0.0
    select: str = "best"
    patience: int | None = None
    """Epochs without a lower validation NLL after which training ends; None trains all epochs."""
    patience_share: float = 0.0
    """With a patience: least share of the epochs trained that passes without a lower NLL, too."""
    optimizer: str = "adam"
    momentum: float | None = None
    """Nesterov momentum of `sgd`; None is 0.9."""
    lr_schedule: str = "constant"
    warmup: float = 0.0
    milestones: tuple[float, ...] | None = None
    lr_decay: float | None = None
    """None is 0.1."""
    clip_norm: float | None = None
    """Gradients longer than this (L2, over all parameters) are scaled down to it."""
    accumulate: int = 1
    """Batches whose mean gradient makes one step."""
    ema: float | None = None
    """Decay a step of the running mean of the weights; the mean is then validated and kept in place of the weights."""
    sam_rho: float | None = None
    """Radius of sharpness-aware minimisation (Foret et al., ICLR 2021): a step takes the gradient at `w + sam_rho g / |g|`."""
    augment: str | None = None
    """Augmentation of training images; `calibench.training.augment` reads it."""
    precision: str = "float32"
    """Type of the network's arithmetic in training; `calibench.training.compute` applies this and the next two."""
    compile: bool = False
    channels_last: bool = False

    def __post_init__(self) -> None:
        if self.momentum is not None and self.optimizer != "sgd":
            raise InputError(f"momentum={self.momentum:g} does nothing to {self.optimizer}", "use optimizer=sgd")
        for name in ("milestones", "lr_decay"):
            if getattr(self, name) is not None and self.lr_schedule != "steps":
                raise InputError(
                    f"{name} does nothing where lr_schedule is {self.lr_schedule}", "use lr_schedule=steps"
                )
        if self.lr_schedule == "steps" and not self.milestones:
            raise InputError("lr_schedule=steps has no milestones", "as milestones=60;120;160, in epochs")
        late = [m for m in self.milestones or () if not 0 < m < self.epochs]
        if late:
            message = f"milestone {late[0]:g} lies outside the {self.epochs} epochs"
            raise InputError(message, "milestones are epochs, above 0 and before the end")
        if (
            self.patience is not None and self.patience >= self.epochs - 1
        ):  # the first epoch always has the lowest NLL so far
            least = f"it runs out after {self.patience + 1} at the earliest"
            message = f"patience={self.patience} does nothing in {self.epochs} epochs: {least}"
            raise InputError(message, "give fewer, or more epochs")
        if self.sam_rho == 0:
            raise InputError("sam_rho=0 repeats every pass and changes nothing", "leave it out, or use sam_rho=0.05")
        if self.warmup >= self.epochs:
            raise InputError(f"warmup={self.warmup:g} leaves none of the {self.epochs} epochs", "warm up for fewer")

    def factor(self, done: float) -> float:
        """The factor of the learning rate for the step after `done` epochs, which may be a fraction."""
        if done < self.warmup:
            return done / self.warmup
        if self.lr_schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * (done - self.warmup) / (self.epochs - self.warmup)))
        decay = LR_DECAY if self.lr_decay is None else self.lr_decay
        return float(decay ** sum(done >= m for m in self.milestones or ()))
