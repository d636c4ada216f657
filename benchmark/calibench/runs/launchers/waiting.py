"""The runs that wait for a worker, in an order that lets runs share what they have in common."""

from __future__ import annotations

import json
from collections.abc import Sequence

from calibench.config.run_config import RunConfig

TRIES = 3
"""How often a run is tried whose worker was killed."""


class Waiting:
    """Runs by number. Of runs that share the training of stage 1, one goes ahead, so that the others find it in the cache."""

    def __init__(self, configs: Sequence[RunConfig]) -> None:
        self._groups = [_stage_1_of(config) for config in configs]
        self._waiting = list(range(len(configs)))
        self._trained: set[str] = set()
        self._training: set[str] = set()
        self._deaths: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self) -> int | None:
        """The first run that need not wait for the training of another; None if all must."""
        for place, number in enumerate(self._waiting):
            group = self._groups[number]
            if group in self._trained or group not in self._training:
                self._training.add(group)
                return self._waiting.pop(place)
        return None

    def ended(self, number: int) -> None:
        """The run has an outcome: its stage 1 is in the cache, or cannot be made."""
        self._trained.add(self._groups[number])

    def back(self, number: int) -> None:
        """Another process makes the run: look again after all others."""
        self._training.discard(self._groups[number])
        self._waiting.append(number)

    def died(self, number: int) -> bool:
        """The run's worker was killed: True if it is tried again."""
        self._training.discard(self._groups[number])
        self._deaths[number] = self._deaths.get(number, 0) + 1
        again = self._deaths[number] < TRIES
        if again:
            self._waiting.insert(0, number)
        return again


def _stage_1_of(config: RunConfig) -> str:
    """A text that is equal for runs with the same training of stage 1."""
    noise = None if config.noise is None else config.noise.document()
    parts = [config.objective.document(), config.dataset.document(), config.model.document(), noise, config.seed]
    return json.dumps(parts, sort_keys=True)
