"""TrainedStages: the part of a configuration that decides a member's training and prediction."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from calibench.config.grammar import Bound
from calibench.config.run_config import RunConfig


@dataclass(frozen=True)
class TrainedStages:
    """The model, the stages that train it or sample from it, and the device. Of the dataset only its name, for messages."""

    objective: Bound
    refit: Bound | None
    sampler: Bound | None
    model: Bound
    dataset: str
    device: torch.device

    @classmethod
    def of(cls, config: RunConfig) -> TrainedStages:
        """The trained stages of a configuration."""
        refit, sampler = (next(iter(config.of_kind(kind)), None) for kind in ("refit", "sampler"))
        return cls(config.objective, refit, sampler, config.model, config.dataset.name, torch.device(config.device))
