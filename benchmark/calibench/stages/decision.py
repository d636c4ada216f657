"""DecisionRule: outputs into answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch

from calibench.outputs import Outputs


class DecisionRule(ABC):
    """Turns outputs into answers: a class, or -1 to abstain."""

    needs_fit = False
    """True when `fit` must see the calibration split."""

    def check(self, num_classes: int) -> None:
        """Raise InputError if the parameters do not fit K classes; called before anything is trained."""

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """What was learned, as JSON values; nothing by default."""
        return {}

    @abstractmethod
    def decide(self, outputs: Outputs, fitted: dict[str, Any]) -> torch.Tensor:
        """Class indices `[N]` int64, -1 where the rule abstains."""
