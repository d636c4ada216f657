"""The runs that wait for a worker, in an order that lets runs share what they have in common."""

from __future__ import annotations

import heapq
import json
from collections.abc import Sequence

from calibench.config.grammar import Bound
from calibench.config.run_config import RunConfig

TRIES = 3
"""How often a run is tried whose worker was killed."""


class Waiting:
    """Runs by number. Of runs that share the training of stage 1, one goes ahead, so that the others find it in the cache.

    Every method takes the time of a heap, however many runs there are.
    """

    def __init__(self, configs: Sequence[RunConfig]) -> None:
        self._groups = _groups_of(configs)
        self._ready = [(0, number) for number in range(len(configs))]
        """A heap of turns and numbers: the least goes first."""
        self._held: dict[str, list[tuple[int, int]]] = {}
        """By group, those that wait for the run that goes ahead."""
        self._count = len(configs)
        self._turn = 0
        self._trained: set[str] = set()
        self._training: set[str] = set()
        self._deaths: dict[int, int] = {}

    def __len__(self) -> int:
        return self._count

    def take(self) -> int | None:
        """The first run that need not wait for the training of another; None if all must."""
        while self._ready:
            turn, number = heapq.heappop(self._ready)
            group = self._groups[number]
            if group in self._training and group not in self._trained:
                self._held.setdefault(group, []).append((turn, number))
                continue
            self._training.add(group)
            self._count -= 1
            return number
        return None

    def ended(self, number: int) -> None:
        """The run has an outcome: its stage 1 is in the cache, or cannot be made."""
        self._trained.add(self._groups[number])
        self._free(number)

    def back(self, number: int) -> None:
        """Another process makes the run: look again after all others."""
        self._turn += 1
        self._again(self._turn, number)

    def died(self, number: int) -> bool:
        """The run's worker was killed: True if it is tried again."""
        self._deaths[number] = self._deaths.get(number, 0) + 1
        if self._deaths[number] >= TRIES:
            self._free(number)
            return False
        self._again(-1, number)
        return True

    def _again(self, turn: int, number: int) -> None:
        heapq.heappush(self._ready, (turn, number))
        self._count += 1
        self._free(number)

    def _free(self, number: int) -> None:
        """Nothing of the run's group is in training: those that it held wait for nobody."""
        group = self._groups[number]
        self._training.discard(group)
        for held in self._held.pop(group, ()):
            heapq.heappush(self._ready, held)


def _groups_of(configs: Sequence[RunConfig]) -> list[str]:
    """A text for each run, equal for runs with the same training of stage 1."""
    texts: dict[int, str] = {}  # by the part's object, which many runs share

    def text(part: Bound | None) -> str:
        if id(part) not in texts:
            texts[id(part)] = json.dumps(None if part is None else part.document(), sort_keys=True)
        return texts[id(part)]

    return [f"{text(c.objective)} {text(c.dataset)} {text(c.model)} {text(c.noise)} {c.seed}" for c in configs]
