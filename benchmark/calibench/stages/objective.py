"""Objective: the training loss of stage 1."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibench.lazy import functional, nn, torch


@dataclass(frozen=True)
class Batch:
    """Inputs `x [n, ...]`, class indices `y [n]`, and `rows [n]`, the places of the rows in the training split."""

    x: torch.Tensor
    y: torch.Tensor
    rows: torch.Tensor
    more_views: tuple[torch.Tensor, ...] = ()
    """Further augmented copies of the same rows, `[n, ...]` each, as many as `Objective.views - 1`; none without augmentation."""


@dataclass(frozen=True)
class TrainTask:
    """The training labels `[N]`, which may be noisy, the number of classes, and the number of epochs.

    `x [N, ...]` are the training rows, without augmentation.

    `out_of_fold` are probabilities `[N, K]` in float64 of the training rows, each from a network trained with cross-entropy
    without that row; None unless the objective asks for them (`folds`). `new_network()` builds one more freshly initialised
    network, on the same device, from torch's global generator. Draw or reseed before you call it in `prepare`: otherwise it
    starts with the same weights as the network in training.
    """

    labels: torch.Tensor
    num_classes: int
    epochs: int
    out_of_fold: torch.Tensor | None
    new_network: Callable[[], nn.Module]
    x: torch.Tensor | None = None


class Objective(ABC):
    """The training loss of stage 1. Only `loss` must be written. Each training gets a fresh object."""

    folds: int = 0
    """Folds of `TrainTask.out_of_fold`, each of which costs a training; 0 asks for no probabilities."""

    files: str = ""
    """A digest of files that the objective read, or empty. It joins the cache key: changed files train again."""

    one_vs_rest: bool = False
    """True if the objective trains one sigmoid a class in place of a softmax; see `Outputs.one_vs_rest`."""

    multi_label: bool = False
    """True if the objective also takes several labels a sample: `Batch.y` is then `[n, Q]` of 0 and 1."""

    views: int = 1
    """Augmented copies of each row that a step wants; `Batch.more_views` holds those beyond the first."""

    splits: bool | None = None
    """True if a batch's loss is the mean of independent row losses, so torchrun may split the batch. None decides: True unless
    `step` or `companions` is overridden or `learned` is not empty."""

    learned: tuple[str, ...] = ()
    """Names of attributes, tensors or modules, that training changes. They are kept beside the network, for samplers that train on
    and for a training that is resumed after a kill. Other attributes must not depend on earlier epochs."""

    def check(self, num_classes: int) -> None:
        """Raise InputError if the parameters do not fit K classes; called before anything is trained."""

    def prepare(self, task: TrainTask) -> None:
        """Called once before training, with torch's global generator seeded."""

    def begin_epoch(self, epoch: int) -> None:
        """Called before each epoch; epochs count from 1."""

    @abstractmethod
    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The mean loss of a batch, a scalar, from its logits `[n, K]`."""

    def step(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """The loss of one training step; override when an objective changes inputs or needs several passes."""
        return self.loss(network(batch.x), batch)

    def end_epoch(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Called after each epoch with the validation split's logits `[n, K]` and labels `[n]`."""

    def validation_nll(self, logits: torch.Tensor, labels: torch.Tensor) -> float:
        """The validation NLL, in nats, that picks the checkpoint and ends a training with patience. Called after `prepare`.

        `logits [n, K]` are the softmax logits of the prediction, `labels [n]` those of the validation split. By default it is the
        mean of `-log softmax(logits)[y]` in float64. An objective that weighs classes scores its own loss: the NLL of val, whose
        class shares differ from those that it trains for, would prefer a network that has hardly learned.
        """
        return float(functional.cross_entropy(logits.double(), labels))

    def noisy_validation_nll(self, logits: torch.Tensor, labels: torch.Tensor) -> float:
        """In place of `validation_nll` where the validation labels are drawn by the noise of the training labels too.

        By default the same. An objective that models the noise overrides it: it scores its probability of the noisy label.
        """
        return self.validation_nll(logits, labels)

    def softmax_logits(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits `[n, K]` whose softmax is the prediction; override for a loss with another link function. No `prepare` needed."""
        return logits

    def companions(self) -> Sequence[nn.Module]:
        """Modules that the same optimiser trains beside the network, available after `prepare`; none by default."""
        return ()

    def can_split(self) -> bool:
        """`splits`, or the default for this class if it is None."""
        if self.splits is not None:
            return self.splits
        kind = type(self)
        row_by_row = kind.step is Objective.step and kind.companions is Objective.companions
        return row_by_row and not self.learned

    def can_repeat(self) -> bool:
        """True if a second pass over a batch leaves the objective as it was, as `sam_rho` needs.

        That holds for an objective without companions that learns nothing, or learns between epochs only (`splits`).
        """
        no_companions = type(self).companions is Objective.companions
        return no_companions and (not self.learned or self.splits is True)

    def figures(self) -> dict[str, Any]:
        """Estimates of the objective as JSON values for the record; called after training."""
        return {}

    def suspected(self) -> torch.Tensor | None:
        """Training labels that the objective takes for wrong, bool `[N]`; calibench scores them where the noise is known."""
        return None

    def state(self) -> dict[str, torch.Tensor]:
        """The attributes in `learned` as tensors; those of a module are called `attribute.name`."""
        state: dict[str, torch.Tensor] = {}
        for name in self.learned:
            value = getattr(self, name)
            state |= (
                {f"{name}.{k}": v for k, v in value.state_dict().items()}
                if isinstance(value, nn.Module)
                else {name: value}
            )
        return state

    def load_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Restore the values that `state` returned; called after `prepare`, which builds the modules."""
        for name in self.learned:
            value = getattr(self, name)
            if isinstance(value, nn.Module):
                prefix = f"{name}."
                value.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
            else:
                setattr(self, name, state[name])
