"""DecisionRule: turns outputs into answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from calibench.lazy import torch
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs


class DecisionRule(ABC):
    """Turns outputs into answers, a class or -1 to abstain, and perhaps into sets of classes."""

    needs_fit: bool = False
    """True if `fit` must see the calibration split; the object may set it from its parameters."""

    needs_fresh: bool = False
    """True if the rule's guarantee holds only on samples that no calibrator was fitted on: they then share cal (`cal_split`)."""

    cal_split: str | None = None
    """How a rule that needs fresh samples shares cal with the calibrators: `fifth` or `half` is for them, or `cross-fit`; None
    leaves it to `calibench.recipe.cal_split`."""

    scale_free: bool = False
    """True if dividing all logits by one number only renames the limit that is fitted: no answer changes."""

    one_vs_rest: bool = False
    """True if the rule takes logits of one sigmoid a class; other rules get `Outputs.plain()`."""

    files: str = ""
    """A digest of files that the rule read, or empty: a stored run is run again if they change."""

    class_names: tuple[str, ...] = ()
    """The names of the classes in order, where the data have names; set before `check`."""

    labels_per_sample: int = 1
    """Q > 1 if a sample has Q labels; set before `check`."""

    def check(self, num_classes: int) -> None:
        """Raise InputError if the parameters do not fit K classes; called before anything is trained."""

    def fit(self, outputs: Outputs, labels: torch.Tensor) -> dict[str, Any]:
        """Fit to labelled outputs, and return the learned values as JSON; by default nothing."""
        return {}

    @abstractmethod
    def decide(self, outputs: Outputs, fitted: dict[str, Any]) -> torch.Tensor | Decisions:
        """Class indices `[N]` int64, -1 where the rule abstains; or `Decisions`, which also hold sets, costs or uncertainty.

        Called once for the samples that are judged. It may draw from torch's global generator, which is seeded.
        """
