"""DecisionRule: outputs into answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from calibench.lazy import torch
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs


class DecisionRule(ABC):
    """Turns outputs into answers: a class, or -1 to abstain; perhaps also into sets of classes."""

    needs_fit: bool = False
    """True when `fit` must see the calibration split; the object may set it from its parameters."""

    needs_fresh: bool = False
    """True when what `fit` promises holds only on samples that no calibrator was fitted on: cal is then halved between them."""

    one_vs_rest: bool = False
    """True for a rule that takes logits of one sigmoid a class as they are; any other is given their `Outputs.plain()`."""

    files: str = ""
    """A digest of the files that the rule read, if any: a stored run is run again when they change."""

    def check(self, num_classes: int) -> None:
        """Raise InputError if the parameters do not fit K classes; called before anything is trained."""

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """What was learned, as JSON values; nothing by default."""
        return {}

    @abstractmethod
    def decide(self, outputs: Outputs, fitted: dict[str, Any]) -> torch.Tensor | Decisions:
        """Class indices `[N]` int64, -1 where the rule abstains; or `Decisions`, where there is more to say.

        Called once for the samples that are judged; it may draw from torch's global generator, which is seeded.
        """
