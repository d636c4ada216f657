"""Objective: what stage 1 minimises, with what it may need besides a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibench.lazy import nn, torch


@dataclass(frozen=True)
class Batch:
    """Inputs `x [n, ...]`, class indices `y [n]`, and `rows [n]`, their places in the training split."""

    x: torch.Tensor
    y: torch.Tensor
    rows: torch.Tensor


@dataclass(frozen=True)
class TrainTask:
    """What an objective is told before training: the training labels `[N]`, which may be noisy, and how long it takes.

    `out_of_fold` holds probabilities `[N, K]` in float64 of each training row, from networks trained without it by
    cross-entropy, where the objective asks for them (`folds`); else None. `new_network()` makes one more freshly
    initialised network like the one that is trained, on its device, from torch's global generator: called first thing in
    `prepare` it would start with the very weights of the one that is trained, so draw or reseed before.
    """

    labels: torch.Tensor
    num_classes: int
    epochs: int
    out_of_fold: torch.Tensor | None
    new_network: Callable[[], nn.Module]


class Objective(ABC):
    """What stage 1 minimises. Only `loss` must be written; a fresh object serves each training."""

    folds: int = 0
    """How many folds `TrainTask.out_of_fold` is made with; 0 asks for none, which saves as many trainings."""

    files: str = ""
    """A digest of the files that the objective read, if any: what was trained with others is then not taken for this."""

    one_vs_rest: bool = False
    """True for an objective that trains one sigmoid a class in place of a softmax; `Outputs.one_vs_rest` says what follows."""

    multi_label: bool = False
    """True for an objective that also takes several labels a row: `Batch.y` is then `[n, Q]` of 0 and 1."""

    splits: bool | None = None
    """Whether a batch's loss is the mean of what its rows lose each by itself, so that processes may share the batch
    (torchrun). None: yes, unless `step` or `companions` is overridden or training changes what is `learned`."""

    learned: tuple[str, ...] = ()
    """Attributes, tensors or modules, that training changes: kept beside the network, for samplers that train on
    and for a training that is taken up again after a kill. What is not named here must not depend on earlier epochs."""

    def check(self, num_classes: int) -> None:
        """Raise InputError if the parameters do not fit K classes; called before anything is trained."""

    def prepare(self, task: TrainTask) -> None:
        """Called once before training, with torch's global generator seeded."""

    def begin_epoch(self, epoch: int) -> None:
        """Called before each epoch, which count from 1."""

    @abstractmethod
    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The mean loss of a batch, a scalar, from its logits `[n, K]`."""

    def step(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """The loss of one training step; override when an objective changes inputs or needs several passes."""
        return self.loss(network(batch.x), batch)

    def end_epoch(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Called after each epoch with the validation split's logits `[n, K]` and labels `[n]`."""

    def companions(self) -> Sequence[nn.Module]:
        """Modules that are trained beside the network by the same optimiser, known after `prepare`; none by default."""
        return ()

    def can_split(self) -> bool:
        """What `splits` says, or what follows where it says nothing."""
        if self.splits is not None:
            return self.splits
        kind = type(self)
        plain = kind.step is Objective.step and kind.companions is Objective.companions
        return plain and not self.learned

    def figures(self) -> dict[str, Any]:
        """What was estimated or found, as JSON values for the record, asked for after training."""
        return {}

    def suspected(self) -> torch.Tensor | None:
        """Which training labels were taken for wrong, bool `[N]`; calibench scores it where the truth is known."""
        return None

    def state(self) -> dict[str, torch.Tensor]:
        """What `learned` names, as tensors; a module's are called `attribute.name`."""
        held: dict[str, torch.Tensor] = {}
        for name in self.learned:
            value = getattr(self, name)
            held |= (
                {f"{name}.{k}": v for k, v in value.state_dict().items()}
                if isinstance(value, nn.Module)
                else {name: value}
            )
        return held

    def load_state(self, held: Mapping[str, torch.Tensor]) -> None:
        """Puts back what `state` gave; called after `prepare`, which makes the modules."""
        for name in self.learned:
            value = getattr(self, name)
            if isinstance(value, nn.Module):
                prefix = f"{name}."
                value.load_state_dict({k.removeprefix(prefix): v for k, v in held.items() if k.startswith(prefix)})
            else:
                setattr(self, name, held[name])
