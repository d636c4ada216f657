"""Ensemble: the recipe to its left, trained several times from different seeds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from calibench.outputs.outputs import Outputs


class Ensemble(ABC):
    """The number of members, and the combination of their outputs. Member 0 is the run without the ensemble."""

    members: int

    @abstractmethod
    def combine(self, outputs: Sequence[Outputs]) -> Outputs:
        """The outputs `[N, K]` of all members for the same samples as one set of outputs."""
