"""The checkpoint that a training ends at."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import torch
from torch import nn

from calibench.cache.results import strip_prefix


class Kept:
    """The checkpoint that a training ends at: that of lowest validation NLL if `best`, whose weights are held, else the last."""

    def __init__(self, best: bool, patience: int | None) -> None:
        self.hold, self.patience = best, patience
        self.best, self.best_epoch = math.inf, 0
        self.nll, self.epoch = math.inf, 0
        self.weights: dict[str, torch.Tensor] | None = None

    def see(self, epoch: int, nll: float, module: nn.Module) -> None:
        """An epoch has ended with this validation NLL and the module's weights."""
        self.epoch, self.nll = epoch, nll
        if nll < self.best:
            self.best, self.best_epoch = nll, epoch
            self.weights = copy.deepcopy(module.state_dict()) if self.hold else None

    def out_of_patience(self) -> bool:
        """Whether the NLL has not fallen for as many epochs as there was patience for."""
        return self.patience is not None and self.epoch - self.best_epoch >= self.patience

    def figures(self) -> dict[str, float]:
        """The kept epoch and its NLL, and where patience might have ended the training, the last epoch."""
        epoch, nll = (self.best_epoch, self.best) if self.weights is not None else (self.epoch, self.nll)
        found = {"epoch": float(epoch), "val_nll": nll}
        return found if self.patience is None else found | {"ended_after": float(self.epoch)}

    def state(self) -> dict[str, torch.Tensor]:
        """All of it as tensors."""
        figures = torch.tensor([self.best, self.best_epoch, self.nll, self.epoch], dtype=torch.float64)
        return {"figures": figures} | {f"weights.{k}": v for k, v in (self.weights or {}).items()}

    def load_state(self, held: Mapping[str, torch.Tensor], device: torch.device) -> None:
        """Puts back what `state` gave."""
        best, best_epoch, nll, epoch = held["figures"].tolist()
        self.best, self.best_epoch, self.nll, self.epoch = best, int(best_epoch), nll, int(epoch)
        self.weights = {k: v.to(device) for k, v in strip_prefix(held, "weights.").items()} or None
