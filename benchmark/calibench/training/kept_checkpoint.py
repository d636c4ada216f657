"""The checkpoint that a training ends at."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import torch
from torch import nn

from calibench.cache.results import strip_prefix
from calibench.training.schedule import Schedule


class KeptCheckpoint:
    """The weights of lowest validation NLL if `best`, else those of the last epoch.

    With `best` the weights are copied at each new lowest NLL.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.keep_best, self.schedule = schedule.select == "best", schedule
        self.best, self.best_epoch = math.inf, 0
        self.nll, self.epoch = math.inf, 0
        self.weights: dict[str, torch.Tensor] | None = None

    def see(self, epoch: int, nll: float, module: nn.Module) -> None:
        """Note the validation NLL of an epoch, and keep the module's weights if it is the lowest so far."""
        self.epoch, self.nll = epoch, nll
        if nll < self.best:
            self.best, self.best_epoch = nll, epoch
            self.weights = copy.deepcopy(module.state_dict()) if self.keep_best else None

    def out_of_patience(self) -> bool:
        """True if the NLL has not fallen for `patience` epochs, and for the patience's share of the epochs trained."""
        patience, share = self.schedule.patience, self.schedule.patience_share
        return patience is not None and self.epoch - self.best_epoch >= max(patience, share * self.epoch)

    def figures(self) -> dict[str, float]:
        """`epoch` and `val_nll` of the checkpoint, `best_epoch` (that of the lowest NLL), `ended_after` (the last epoch).

        Also what could end the training: `most_epochs` and, if it has one, its `patience`.
        """
        epoch, nll = (self.best_epoch, self.best) if self.weights is not None else (self.epoch, self.nll)
        figures = {"best_epoch": float(self.best_epoch), "ended_after": float(self.epoch), "epoch": float(epoch)}
        figures |= {"most_epochs": float(self.schedule.epochs)}
        if self.schedule.patience is not None:
            figures |= {"patience": float(self.schedule.patience)}
        return figures | {"val_nll": nll}  # sorted by name, as they come from the cache

    def state(self) -> dict[str, torch.Tensor]:
        """The state as tensors."""
        figures = torch.tensor([self.best, self.best_epoch, self.nll, self.epoch], dtype=torch.float64)
        return {"figures": figures} | {f"weights.{k}": v for k, v in (self.weights or {}).items()}

    def load_state(self, state: Mapping[str, torch.Tensor], device: torch.device) -> None:
        """Restore the values that `state` returned."""
        best, best_epoch, nll, epoch = state["figures"].tolist()
        self.best, self.best_epoch, self.nll, self.epoch = best, int(best_epoch), nll, int(epoch)
        self.weights = {k: v.to(device) for k, v in strip_prefix(state, "weights.").items()} or None
