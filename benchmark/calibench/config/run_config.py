"""RunConfig: all that decides a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calibench.config.grammar import Bound
from calibench.config.shift_and_ood import TEST_SPLIT_ALONE, ShiftAndOod

TRAIN = "train"
"""In a preset, the objective, whichever it is."""


Setting = tuple[str, str, str]
"""Part, key, value as text."""


_SPEAK_FOR_ALL = ("refit", "sampler", "ensemble")
"""Kinds whose name says enough without the default objective."""


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run: recipe, dataset, model, noise, seed, device; every parameter has its value."""

    stages: tuple[Bound, ...]
    dataset: Bound
    model: Bound
    noise: Bound | None
    seed: int
    device: str
    stated: frozenset[str] = frozenset()
    """`name.key` that the user typed, as opposed to defaults."""
    preset: Mapping[str, Any] | None = None
    """Of the preset that it came from: `name`, `sha256` of its text, and what was `changed`. It decides no figure."""
    shift_and_ood: ShiftAndOod = TEST_SPLIT_ALONE
    """Shifts and OOD sets that it is judged on too."""

    @property
    def objective(self) -> Bound:
        """The first stage."""
        return self.stages[0]

    @property
    def comes_trained(self) -> bool:
        """Whether stage 1 has nothing to train, as far as names can tell."""
        return self.model.spec.comes_trained or self.model.params.get("checkpoint") is not None

    def of_kind(self, kind: str) -> tuple[Bound, ...]:
        """The stages of one kind."""
        return tuple(stage for stage in self.stages if stage.spec.kind == kind)

    @property
    def recipe(self) -> str:
        """The shortest recipe that means the same; the default objective goes unsaid before what trains more (`vtst`)."""
        texts = [stage.text() for stage in self.stages]
        unsaid = (
            self.objective.spec.default
            and texts[0] == self.objective.name
            and any(self.of_kind(k) for k in _SPEAK_FOR_ALL)
        )
        return "+".join(texts[1:] if unsaid else texts)

    def document(self) -> dict[str, Any]:
        """The whole configuration as JSON."""
        return {
            "recipe": self.recipe,
            "stages": [{"kind": stage.spec.kind, **stage.document()} for stage in self.stages],
            "dataset": self.dataset.document(),
            "model": self.model.document(),
            "noise": None if self.noise is None else self.noise.document(),
            "seed": self.seed,
            "device": self.device,
            **self.shift_and_ood.document(),
        }

    def run_id(self, data_fingerprint: str) -> str:
        """A readable name with twelve hex digits of SHA-256 over the configuration and the data's fingerprint."""
        text = json.dumps([self.document(), data_fingerprint], sort_keys=True)
        names = "+".join(stage.name for stage in self.stages)
        digits = hashlib.sha256(text.encode()).hexdigest()[:12]
        return f"{self.dataset.name}-{self.model.name}-{names}-s{self.seed}-{digits}"
